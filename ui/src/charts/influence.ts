// Pictures of explanations: the steps that lead to an answer, influence by value, and the influence of many columns.
import type { Palette } from "../theme";
import type { Figure } from "../types";
import { number, scalar, whole as counted } from "../words";
import { axisLine, base, clip, type Api, type Drawing, FONT, label, named, numbers, ROW, scale, tip, width, withEnds } from "./part";

interface Frame { coordSys: { x: number; y: number; width: number; height: number } }
const quiet = { silent: true, tooltip: { show: false } };
const room_for = (labels: string[], room: number) => {
  const most = Math.max(10, Math.min(34, Math.floor(room * 0.4 / (FONT * 0.56))));
  return { most, left: Math.min(room * 0.45, Math.max(...labels.map((each) => width(clip(each, most))), 20) + 16) };
};
const lanes = (labels: string[], colours: Palette, most: number) => ({
  type: "category", data: labels, inverse: true, axisTick: { show: false }, axisLine: { show: false },
  axisLabel: label(colours, { color: colours.text, interval: 0, hideOverlap: false, margin: 12, formatter: (each: string) => clip(each, most) }),
});
/** A rule across the whole picture, where x is this. */
const rule = (x: number, colours: Palette) => ({
  type: "custom", ...quiet, data: [[x, 0]], encode: { x: 0, y: 1 }, z: 1,
  renderItem: (frame: Frame, api: Api) => {
    const [at] = api.coord([x, 0]);
    return { type: "line", shape: { x1: at, y1: frame.coordSys.y, x2: at, y2: frame.coordSys.y + frame.coordSys.height }, style: { stroke: colours.line, lineWidth: 1 } };
  },
});

/** Steps from where a waterfall starts to where it ends, each with its interval. */
export function waterfall(figure: Figure, colours: Palette, room: number): Drawing {
  const start = figure.mark ?? 0;
  const steps = numbers(figure.table[figure.y[0] ?? ""]).map((each) => each ?? 0);
  const lows = numbers(figure.table[figure.low?.[0] ?? ""]);
  const highs = numbers(figure.table[figure.high?.[0] ?? ""]);
  let at = start;
  const ends = steps.map((each) => (at += each));
  const labels = [figure.mark_name || "start", ...(figure.table[figure.x] ?? []).map(scalar), figure.end_name || "end"];
  const { most, left } = room_for(labels, room);
  const drawn = [start, ...ends, ...ends.flatMap((_, row) => {
    const from = ends[row]! - steps[row]!;
    return [from + (lows[row] ?? steps[row]!), from + (highs[row] ?? steps[row]!)];
  })];
  const [least, largest] = [Math.min(...drawn), Math.max(...drawn)];
  const pad = (largest - least || 1) * Math.min(0.3, 60 / Math.max(120, room - left)); // for the numbers beside the bars
  const [rises, falls] = [colours.series[0]!, colours.series[1]!];
  const last = labels.length - 1;
  const rows = labels.map((_, row) => {
    const from = row === 0 ? start : row === last ? ends[ends.length - 1] ?? start : ends[row - 1]! - steps[row - 1]!;
    const to = row === 0 ? start : row === last ? from : ends[row - 1]!;
    const spread = row > 0 && row < last ? [from + (lows[row - 1] ?? steps[row - 1]!), from + (highs[row - 1] ?? steps[row - 1]!)] : [to, to];
    return [row, from, to, ...spread];
  });
  return {
    height: 44 + labels.length * (ROW + 2), series: ["raises it", "lowers it"], dashed: [],
    option: {
      ...base(colours),
      grid: { left, right: 12, top: 8, bottom: 32 },
      xAxis: scale(colours, { min: least - pad, max: largest + pad, axisLine: { show: true, ...axisLine(colours) },
        axisLabel: label(colours, { showMinLabel: false, showMaxLabel: false, formatter: (each: number) => number(each, 3) }) }),
      yAxis: lanes(labels, colours, most),
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "item",
        formatter: (point: unknown) => {
          const row = (point as { value: number[] }).value[0] ?? 0;
          const text = row === 0 || row === last ? number(rows[row]?.[2]) : withEnds(figure, 0, row - 1);
          return tip([["", text]], labels[row] ?? "");
        },
      },
      series: [{
        type: "custom", clip: true, encode: { x: [1, 2, 3, 4], y: 0 }, data: rows, z: 3,
        renderItem: (_: unknown, api: Api) => {
          const row = api.value(0);
          const [x1, y] = api.coord([api.value(1), row]);
          const [x2] = api.coord([api.value(2), row]);
          const [low] = api.coord([api.value(3), row]);
          const [high] = api.coord([api.value(4), row]);
          const half = ROW * 0.31;
          const end = row === 0 || row === last;
          const step = api.value(2) - api.value(1);
          const colour = end ? colours.text : step >= 0 ? rises : falls;
          const below = row < last ? [{ type: "line", shape: { x1: x2, y1: y, x2, y2: y + ROW + 2 }, style: { stroke: colours.muted, lineWidth: 1, lineDash: [2, 3] } }] : [];
          const bar = end ? { type: "circle", shape: { cx: x1, cy: y, r: 4 }, style: { fill: colour } }
            : { type: "rect", shape: { x: Math.min(x1, x2), y: y - half, width: Math.max(1, Math.abs(x2 - x1)), height: 2 * half, r: 1 }, style: { fill: colour } };
          const spread = high - low > 1.5 ? [{ type: "line", shape: { x1: low, y1: y, x2: high, y2: y }, style: { stroke: colours.text, lineWidth: 1.25 } }] : [];
          const right = end || step >= 0;
          const text = { type: "text", style: { text: (end || step < 0 ? "" : "+") + number(end ? api.value(2) : step, Math.abs(end ? 1 : step) < 0.01 ? 4 : 3), fill: colours.text, fontSize: FONT - 1,
            x: right ? Math.max(x1, x2, high) + 6 : Math.min(x1, x2, low) - 6, y, align: right ? "left" : "right", verticalAlign: "middle" } };
          return { type: "group", children: [...below, bar, ...spread, text] };
        },
      }],
    },
  };
}

/** What a column does to the answers by its value: the mean with its interval, where most rows lie, and how many there are. */
export function sensitivity(figure: Figure, colours: Palette, room: number): Drawing {
  const along = figure.table[figure.x] ?? [];
  return along.some((each) => typeof each === "string") ? categories(figure, colours, room) : curve(figure, colours, room);
}

const BANDS = [["p5", "p95", 0.1], ["p25", "p75", 0.16]] as const;

function curve(figure: Figure, colours: Palette, room: number): Drawing {
  const column = (name: string | undefined) => numbers(figure.table[name ?? ""]);
  const along = column(figure.x);
  const [middle, low, high] = [column(figure.y[0]), column(figure.low?.[0]), column(figure.high?.[0])];
  const colour = colours.series[0]!;
  const known = along.filter((each): each is number => each !== null);
  const everything = [0, ...["p5", "p95"].flatMap((name) => column(name)), ...middle, ...low, ...high].filter((each): each is number => each !== null);
  const [bottom, top] = [Math.min(...everything), Math.max(...everything)];
  const floor = bottom - (top - bottom || 1) * 0.22; // room for the rows below
  const area = (from: (number | null)[], to: (number | null)[], opacity: number, z: number) => {
    const ends = along.map((x, row) => [x, from[row] ?? null, to[row] ?? null]).filter((each): each is [number, number, number] => each.every((end) => end !== null));
    return { type: "custom", ...quiet, clip: true, z, data: ends.length ? [[ends[0]![0], ends[0]![1]]] : [],
      renderItem: (_: unknown, api: Api) => ({ type: "polygon", style: { fill: colour, opacity },
        shape: { points: [...ends.map((each) => api.coord([each[0], each[2]])), ...[...ends].reverse().map((each) => api.coord([each[0], each[1]]))] } }) };
  };
  const rows = column("rows");
  const edge = (row: number, by: number) => { const next = along[row + by]; const here = along[row] ?? 0; return typeof next === "number" ? (here + next) / 2 : here; };
  const bins = along.map((x, row) => [column("from")[row] ?? edge(row, -1), column("to")[row] ?? edge(row, 1), rows[row] ?? 0, x ?? 0] as const);
  const widest = Math.max(...known) - Math.min(...known) || 1;
  const dense = bins.map(([from, to, count]) => count / Math.max(to - from, widest / 200));
  const densest = Math.max(...dense, 1e-12);
  const [first, last] = [Math.min(...bins.map((each) => each[0])), Math.max(...bins.map((each) => each[1]))];
  return {
    height: 280, series: [], dashed: [],
    option: {
      ...base(colours),
      grid: { left: 8, right: 16, top: 12, bottom: 28, containLabel: true },
      xAxis: scale(colours, { ...named(figure.x, colours, room), scale: true, min: first, max: last > first ? last : first + 1, splitLine: { show: false }, axisLine: { show: true, ...axisLine(colours) },
        axisLabel: label(colours, { formatter: (each: number) => number(each, 3), showMinLabel: true, showMaxLabel: true }) }),
      yAxis: scale(colours, { min: floor, max: top + (top - bottom || 1) * 0.05, axisLabel: label(colours, { formatter: (each: number) => number(each, 3), showMinLabel: false, showMaxLabel: false }) }),
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "axis", axisPointer: { type: "line", lineStyle: { color: colours.muted, type: "solid" } },
        formatter: (points: unknown) => {
          const row = (points as { dataIndex: number }[])[0]?.dataIndex ?? 0;
          return tip([[figure.y[0] ?? "", withEnds(figure, 0, row)], ["rows", counted(rows[row] ?? 0)]], `${figure.x} ${number(along[row] ?? null)}`);
        },
      },
      series: [
        ...BANDS.map(([from, to, opacity]) => area(column(from), column(to), opacity, 1)),
        area(low, high, 0.4, 2),
        { type: "line", ...quiet, showSymbol: false, z: 2, data: [[first, 0], [last, 0]], lineStyle: { color: colours.muted, width: 1, type: [3, 4] } },
        { type: "line", name: figure.y[0], z: 3, showSymbol: known.length <= 12, symbolSize: 6, data: along.map((x, row) => [x, middle[row] ?? null]),
          itemStyle: { color: colour }, lineStyle: { width: 2, color: colour } },
        { type: "custom", ...quiet, z: 1, clip: true, data: bins.map((each, row) => [each[3], floor, row]),
          renderItem: (frame: Frame, api: Api) => {
            const row = api.value(2);
            const bin = bins[row];
            if (!bin) return null;
            const [x1] = api.coord([bin[0], floor]);
            const [x2] = api.coord([bin[1], floor]);
            const height = Math.max(bin[2] ? 1 : 0, frame.coordSys.height * 0.14 * (dense[row] ?? 0) / densest);
            return { type: "rect", shape: { x: x1, y: frame.coordSys.y + frame.coordSys.height - height, width: Math.max(1, x2 - x1 - 1), height }, style: { fill: colours.muted, opacity: 0.45 } };
          } },
      ],
    },
  };
}

function categories(figure: Figure, colours: Palette, room: number): Drawing {
  const column = (name: string | undefined) => numbers(figure.table[name ?? ""]);
  const labels = (figure.table[figure.x] ?? []).map(scalar);
  const { most, left } = room_for(labels, room);
  const colour = colours.series[0]!;
  const [middle, low, high, rows] = [column(figure.y[0]), column(figure.low?.[0]), column(figure.high?.[0]), column("rows")];
  const [p5, p25, p75, p95] = ["p5", "p25", "p75", "p95"].map(column) as [(number | null)[], (number | null)[], (number | null)[], (number | null)[]];
  return {
    height: 44 + labels.length * ROW, series: [], dashed: [],
    option: {
      ...base(colours),
      grid: { left, right: 20, top: 8, bottom: 32 },
      xAxis: scale(colours, { scale: true, axisLine: { show: true, ...axisLine(colours) }, axisLabel: label(colours, { formatter: (each: number) => number(each, 3) }) }),
      yAxis: lanes(labels, colours, most),
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "item",
        formatter: (point: unknown) => {
          const row = (point as { value: number[] }).value[0] ?? 0;
          return tip([["", withEnds(figure, 0, row)], ["rows", counted(rows[row] ?? 0)]], labels[row] ?? "");
        },
      },
      series: [rule(0, colours), {
        type: "custom", clip: true, encode: { x: [1, 2, 3, 4, 5, 6, 7], y: 0 }, z: 3,
        data: middle.flatMap((each, row) => (each === null ? [] : [[row, each, low[row] ?? each, high[row] ?? each, p5[row] ?? each, p25[row] ?? each, p75[row] ?? each, p95[row] ?? each]])),
        renderItem: (_: unknown, api: Api) => {
          const row = api.value(0);
          const at = (place: number) => api.coord([api.value(place), row])[0];
          const [, y] = api.coord([api.value(1), row]);
          const bar = (from: number, to: number, half: number, opacity: number) =>
            ({ type: "rect", shape: { x: at(from), y: y - half, width: Math.max(1, at(to) - at(from)), height: 2 * half, r: 1 }, style: { fill: colour, opacity } });
          return { type: "group", children: [bar(4, 7, 6, 0.16), bar(5, 6, 6, 0.26),
            { type: "line", shape: { x1: at(2), y1: y, x2: at(3), y2: y }, style: { stroke: colours.text, lineWidth: 1.25 } },
            { type: "circle", shape: { cx: at(1), cy: y, r: 3.5 }, style: { fill: colour, stroke: colours.ground, lineWidth: 1.25 } }] };
        },
      }],
    },
  };
}

const channels = (colour: string) => [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
const between = (from: string, to: string, share: number) => {
  const [a, b] = [channels(from), channels(to)];
  return `rgb(${a.map((each, place) => Math.round(each + ((b[place] ?? 0) - each) * share)).join(",")})`;
};

/** One lane a column: how many rows lie at each influence, coloured by what they have there. No point is a row. */
export function beeswarm(figure: Figure, colours: Palette, room: number): Drawing {
  const names = (figure.table[figure.x] ?? []).map(scalar);
  const labels = [...new Set(names)];
  const { most, left } = room_for(labels, room);
  const [at, rows, value] = [numbers(figure.table[figure.y[0] ?? ""]), numbers(figure.table["rows"]), numbers(figure.table["value"])];
  const largest = Math.max(...rows.map((each) => each ?? 0), 1);
  const sorted = [...new Set(at.filter((each): each is number => each !== null))].sort((a, b) => a - b);
  const step = sorted.reduce((least, each, place) => (place ? Math.min(least, each - sorted[place - 1]!) : least), Infinity);
  const lane = 30;
  return {
    height: 44 + labels.length * lane, series: ["low values", "high values"], dashed: [],
    option: {
      ...base(colours),
      grid: { left, right: 16, top: 8, bottom: 32 },
      xAxis: scale(colours, { scale: true, axisLine: { show: true, ...axisLine(colours) }, axisLabel: label(colours, { formatter: (each: number) => number(each, 3) }) }),
      yAxis: lanes(labels, colours, most),
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "item",
        formatter: (point: unknown) => {
          const row = (point as { value: number[] }).value[2] ?? 0;
          const mean = value[row];
          return tip([["influence", number(at[row] ?? null)], ["rows", counted(rows[row] ?? 0)],
            ...(typeof mean === "number" ? [["mean rank of the value", `${Math.round(100 * mean)} %`] as [string, string]] : [])], names[row] ?? "");
        },
      },
      series: [rule(0, colours), {
        type: "custom", clip: true, encode: { x: 0, y: 1 }, z: 3,
        data: at.flatMap((each, row) => (each === null || !rows[row] ? [] : [[each, labels.indexOf(names[row]!), row]])),
        renderItem: (_: unknown, api: Api) => {
          const row = api.value(2);
          const [x, y] = api.coord([api.value(0), api.value(1)]);
          const wide = Number.isFinite(step) ? Math.max(2, api.size([step, 0])[0] - 0.5) : 6;
          const high = Math.max(3, (lane - 6) * Math.sqrt((rows[row] ?? 0) / largest));
          const mean = value[row];
          const fill = typeof mean === "number" ? between(colours.series[0]!, colours.series[1]!, mean) : colours.muted;
          return { type: "rect", shape: { x: x - wide / 2, y: y - high / 2, width: wide, height: high, r: Math.min(2, wide / 2) }, style: { fill } };
        },
      }],
    },
  };
}
