// A figure as ECharts options, by its kind.
import type { Palette } from "../theme";
import type { Figure } from "../types";
import { number, scalar } from "../words";
import { beeswarm, sensitivity, waterfall } from "./influence";
import { axisLine, base, clip, type Api, type Drawing, FONT, label, lying, named, numbers, ROW, scale, STROKES, tip, whole, width, withEnds } from "./part";

/** What is drawn by other means than a chart. */
export type Plain = Figure & { kind: "marked" | "patches" };
export const plain = (figure: Figure): figure is Plain => figure.kind === "marked" || figure.kind === "patches";

/** Draw a figure, or one page of it; `extent` is then that of the whole, which every page is scaled to. */
export function draw(figure: Figure, colours: Palette, room: number, extent: [number, number] | null = null): Drawing {
  const kinds = { line, bars, interval, matrix, waterfall, sensitivity, beeswarm, tree, marked: interval, patches: interval };
  const drawing = kinds[figure.kind](figure, colours, room);
  if (extent) {
    const unseen = { type: "custom", silent: true, tooltip: { show: false }, encode: { x: 1, y: 0 }, data: extent.map((each) => [0, each]), renderItem: () => null };
    drawing.option.series = [...(drawing.option.series as object[]), unseen];
  }
  return drawing;
}

function line(figure: Figure, colours: Palette, room: number): Drawing {
  const along = numbers(figure.table[figure.x]);
  const known = along.filter((each): each is number => each !== null);
  const drawn = [...figure.y, ...(figure.low ?? []), ...(figure.high ?? [])].flatMap((name) => numbers(figure.table[name])).filter((each) => each !== null);
  const [across, up] = [whole(known), whole(drawn)];
  const [first, last] = "max" in across ? [0, 1] : [Math.min(...known), Math.max(...known)];
  const series: object[] = [];
  figure.y.forEach((name, place) => {
    const colour = colours.series[place % colours.series.length];
    const [low, high] = [figure.low?.[place], figure.high?.[place]];
    if (low !== undefined && high !== undefined) {
      const [lows, highs] = [numbers(figure.table[low]), numbers(figure.table[high])];
      const ordered = along.map((x, row) => [x, lows[row] ?? null, highs[row] ?? null]).filter((each) => each[0] !== null).sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
      const ends = ordered.filter((each): each is [number, number, number] => each.every((end) => end !== null));
      // where nothing is known there is a gap, as in the line
      const parts = ordered.reduce<[number, number, number][][]>((found, each) => {
        if (each.every((end) => end !== null)) found[found.length - 1]!.push(each as [number, number, number]);
        else if (found[found.length - 1]!.length) found.push([]);
        return found;
      }, [[]]).filter((part) => part.length);
      series.push({
        type: "custom", silent: true, tooltip: { show: false }, data: parts.map((part) => [part[0]![0], part[0]![1]]), clip: true, z: 1,
        renderItem: (params: { dataIndex: number }, api: Api) => {
          const part = parts[params.dataIndex] ?? [];
          return {
            type: "polygon",
            shape: { points: [...part.map((each) => api.coord([each[0], each[2]])), ...[...part].reverse().map((each) => api.coord([each[0], each[1]]))] },
            style: { fill: colour, opacity: 0.16 },
          };
        },
      });
      // what counts for the axis, though nothing is seen of it
      series.push({ type: "line", silent: true, tooltip: { show: false }, showSymbol: false, lineStyle: { opacity: 0 }, data: ends.flatMap((each) => [[each[0], each[1]], [each[0], each[2]]]) });
    }
    const column = numbers(figure.table[name]);
    const dotted = (figure.points ?? []).includes(name);
    series.push({
      type: "line", name, data: along.map((x, row) => [x, column[row] ?? null]), showSymbol: dotted || known.length <= 20, showAllSymbol: true,
      symbol: dotted ? "circle" : ["circle", "rect", "triangle", "diamond"][place % 4], symbolSize: dotted ? (known.length > 100 ? 4 : 5) : 6,
      itemStyle: { color: colour }, lineStyle: dotted ? { width: 0, opacity: 0 } : { width: 2, color: colour, type: STROKES[place % 3] }, z: dotted ? 4 : 3,
    });
  });
  if (figure.diagonal && known.length) {
    series.push({
      type: "line", silent: true, tooltip: { show: false }, showSymbol: false, z: 2, data: [[first, first], [last, last]],
      lineStyle: { color: colours.muted, width: 1, type: [3, 4] },
    });
  }
  const height = figure.diagonal ? Math.min(360, Math.max(260, room * 0.72)) : 260;
  return {
    height, series: figure.y, dashed: figure.diagonal ? [`${figure.x} = ${figure.y[0] ?? ""}`.replace(/_/g, " ")] : [],
    option: {
      ...base(colours),
      grid: { left: 8, right: 16, top: 12, bottom: 28, containLabel: true },
      xAxis: scale(colours, { ...named(figure.x, colours, room), scale: true, axisLine: { show: true, ...axisLine(colours) }, splitLine: { show: false }, min: first, max: last > first ? last : first + 1, ...across,
        axisLabel: label(colours, { formatter: (each: number) => number(each, 3), showMinLabel: true, showMaxLabel: true }) }),
      yAxis: scale(colours, { scale: true, ...up }),
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "axis", axisPointer: { type: "line", lineStyle: { color: colours.muted, type: "solid" } },
        formatter: (points: unknown) => {
          const shown = (points as { seriesName: string; dataIndex: number }[]).filter((each) => figure.y.includes(each.seriesName));
          const row = shown[0]?.dataIndex ?? 0;
          return tip(shown.map((each) => [each.seriesName, withEnds(figure, figure.y.indexOf(each.seriesName), each.dataIndex)]), `${figure.x} ${number(along[row] ?? null)}`);
        },
      },
      series,
    },
  };
}

function whiskers(figure: Figure, place: number, flat: boolean, colours: Palette): object[] {
  const [low, high] = [figure.low?.[place], figure.high?.[place]];
  if (low === undefined || high === undefined) return [];
  const [lows, highs] = [numbers(figure.table[low]), numbers(figure.table[high])];
  const groups = figure.y.length;
  return [{
    type: "custom", silent: true, tooltip: { show: false }, z: 4,
    encode: flat ? { x: [1, 2], y: 0 } : { x: 0, y: [1, 2] },
    data: lows.map((each, row) => [row, each, highs[row] ?? null]).filter((each) => each[1] !== null && each[2] !== null),
    renderItem: (_: unknown, api: Api) => {
      const row = api.value(0);
      const at = (end: number) => (flat ? api.coord([end, row]) : api.coord([row, end]));
      const [a, b] = [at(api.value(1)), at(api.value(2))];
      const band = api.size(flat ? [0, 1] : [1, 0])[flat ? 1 : 0] * 0.68;
      const shift = ((place + 0.5) / groups - 0.5) * band;
      const [dx, dy] = flat ? [0, shift] : [shift, 0];
      return { type: "line", shape: { x1: a[0] + dx, y1: a[1] + dy, x2: b[0] + dx, y2: b[1] + dy }, style: { stroke: colours.text, lineWidth: 1.25 } };
    },
  }];
}

function bars(figure: Figure, colours: Palette, room: number): Drawing {
  const labels = (figure.table[figure.x] ?? []).map(scalar);
  const flat = lying(figure);
  const most = Math.max(8, Math.floor(room * 0.36 / (FONT * 0.56)));
  const names = { type: "category", data: labels, inverse: flat, axisTick: { show: false }, axisLine: axisLine(colours),
    axisLabel: label(colours, { color: colours.text, formatter: (each: string) => clip(each, flat ? most : 14), ...(flat ? { interval: 0, hideOverlap: false } : {}) }) };
  const floor = { ...scale(colours) };
  const series = figure.y.flatMap((name, place) => [{
    type: "bar", name, data: numbers(figure.table[name]), barMaxWidth: flat ? 16 : 36, barCategoryGap: "32%", barGap: "6%",
    itemStyle: { color: colours.series[place % colours.series.length], borderRadius: 1, ...(place % 2 ? { decal: undefined } : {}) },
  }, ...whiskers(figure, place, flat, colours)]);
  const height = flat ? 40 + labels.length * Math.max(ROW, 10 + 13 * figure.y.length) : 260;
  return {
    height, series: figure.y, dashed: [],
    option: {
      ...base(colours),
      grid: { left: 8, right: 20, top: 12, bottom: flat ? 4 : 28, containLabel: true },
      xAxis: flat ? { ...floor } : { ...names, ...named(figure.x, colours, room) },
      yAxis: flat ? names : floor,
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { color: colours.faint, opacity: 0.5 } },
        formatter: (points: unknown) => {
          const shown = (points as { seriesName: string; dataIndex: number }[]).filter((each) => figure.y.includes(each.seriesName));
          return tip(shown.map((each) => [each.seriesName, withEnds(figure, figure.y.indexOf(each.seriesName), each.dataIndex)]), labels[shown[0]?.dataIndex ?? 0] ?? "");
        },
      },
      series,
    },
  };
}

function interval(figure: Figure, colours: Palette, room: number, hanging = false): Drawing {
  const labels = (figure.table[figure.x] ?? []).map(scalar);
  const most = Math.max(10, Math.min(hanging ? 44 : 34, Math.floor(room * (hanging ? 0.48 : 0.34) / (FONT * 0.56))));
  const left = Math.min(room * (hanging ? 0.56 : 0.42), Math.max(...labels.map((each) => width(clip(each, most))), 20) + 16);
  const series: object[] = figure.y.map((name, place) => {
    const colour = colours.series[place % colours.series.length]!;
    const column = numbers(figure.table[name]);
    const lows = numbers(figure.low?.[place] === undefined ? [] : figure.table[figure.low[place]!]);
    const highs = numbers(figure.high?.[place] === undefined ? [] : figure.table[figure.high[place]!]);
    return {
      type: "custom", name, clip: true, encode: { x: [1, 2, 3], y: 0 }, z: 3,
      data: column.flatMap((each, row) => (each === null ? [] : [[row, each, lows[row] ?? each, highs[row] ?? each]])),
      renderItem: (_: unknown, api: Api) => {
        const row = api.value(0);
        const shift = (place - (figure.y.length - 1) / 2) * 9;
        const [x, y] = api.coord([api.value(1), row]);
        const [from] = api.coord([api.value(2), row]);
        const [to] = api.coord([api.value(3), row]);
        return {
          type: "group",
          children: [
            { type: "line", shape: { x1: from, y1: y + shift, x2: to, y2: y + shift }, style: { stroke: colour, lineWidth: 2, opacity: 0.55, lineCap: "round" } },
            { type: "circle", shape: { cx: x, cy: y + shift, r: 4 }, style: { fill: colour, stroke: colours.ground, lineWidth: 1.5 } },
          ],
        };
      },
    };
  });
  if (figure.mark !== undefined && labels.length) {
    const mark = figure.mark;
    series.push({
      type: "custom", silent: true, tooltip: { show: false }, data: [[0, mark]], encode: { x: 1, y: 0 }, z: 1, clip: true,
      renderItem: (parameters: { coordSys: { y: number; height: number } }, api: Api) => {
        const [x] = api.coord([mark, 0]);
        const { y, height } = parameters.coordSys;
        return { type: "line", shape: { x1: x, y1: y, x2: x, y2: y + height }, style: { stroke: colours.muted, lineWidth: 1.25, lineDash: [4, 4] } };
      },
    });
  }
  return {
    height: 44 + labels.length * Math.max(ROW, 12 + 9 * figure.y.length), series: figure.y,
    dashed: figure.mark === undefined ? [] : [`${figure.mark_name ?? "mark"} ${number(figure.mark)}`],
    option: {
      ...base(colours),
      grid: { left, right: 20, top: 8, bottom: 32 },
      xAxis: scale(colours, { scale: true, axisLine: { show: true, ...axisLine(colours) } }),
      yAxis: { type: "category", data: labels, inverse: true, axisTick: { show: false }, axisLine: { show: false },
        axisLabel: label(colours, { color: colours.text, interval: 0, hideOverlap: false, formatter: (each: string) => clip(each, most),
          ...(hanging ? { align: "left", margin: left - 8 } : { margin: 12 }) }) },
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "item",
        formatter: (point: unknown) => {
          const { seriesName, value } = point as { seriesName: string; value: number[] };
          const row = value[0] ?? 0;
          const rows = figure.table["n"]?.[row];
          return tip([[figure.y.length > 1 ? seriesName : "", withEnds(figure, figure.y.indexOf(seriesName), row)],
            ...(typeof rows === "number" ? [["rows", number(rows)] as [string, string]] : [])], labels[row] ?? "");
        },
      },
      series,
    },
  };
}

/** Lines below the line that they belong to, each with its interval. */
function tree(figure: Figure, colours: Palette, room: number): Drawing {
  const parents = numbers(figure.table["parent"]);
  const depth = (row: number, most = 20): number => { const above = parents[row]; return typeof above === "number" && most > 0 ? 1 + depth(above, most - 1) : 0; };
  const labels = (figure.table[figure.x] ?? []).map((each, row) => { const deep = depth(row); return deep ? `${"\u2003".repeat(deep - 1)}└ ${scalar(each)}` : scalar(each); });
  return interval({ ...figure, table: { ...figure.table, [figure.x]: labels } }, colours, room, true);
}

const channels = (colour: string) => [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
const mixed = (from: string, to: string, share: number) => channels(from).map((each, place) => each + ((channels(to)[place] ?? 0) - each) * share);
const luminance = (parts: number[]) => parts.map((each) => ((each /= 255) <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
  .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place]!, 0);

/** Text or ground, whichever is the further from what is behind it (WCAG 2, relative luminance). */
function readableOn(behind: number[], colours: Palette): string {
  const contrast = (colour: string) => {
    const [a, b] = [luminance(channels(colour)), luminance(behind)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  return contrast(colours.text) >= contrast(colours.ground) ? colours.text : colours.ground;
}

function matrix(figure: Figure, colours: Palette, room: number): Drawing {
  const labels = (figure.table[figure.x] ?? []).map(scalar);
  const cells = figure.y.flatMap((name, column) => numbers(figure.table[name]).map((each, row) => [column, row, each] as const));
  const known = cells.flatMap((each) => (each[2] === null ? [] : [each[2]]));
  const [least, most] = [Math.min(0, ...known), Math.max(...known, 0)];
  const wide = Math.max(...labels.map((each) => width(clip(each, 16))), 20) + 16;
  const cell = (room - wide - 20) / Math.max(1, figure.y.length);
  const readable = cell >= 34;
  // "predicted a", "predicted b" are told apart by what differs; the word that they share stands over them once
  const first = figure.y.length > 1 ? /^\S+ /.exec(figure.y[0] ?? "")?.[0] ?? "" : "";
  const shared = first && figure.y.every((each) => each.startsWith(first) && each.length > first.length) ? first : "";
  const short = (each: string) => each.slice(shared.length).replace(/_/g, " ");
  const tilted = figure.y.some((each) => width(clip(short(each), 14)) > cell - 6);
  const ink = (each: number) => readableOn(mixed(colours.faint, colours.deep, most > least ? (each - least) / (most - least) : 0), colours);
  const height = labels.length <= 3 ? 72 : labels.length <= 8 ? 44 : 26;
  const top = (tilted ? 84 : 28) + (shared ? 18 : 0);
  return {
    height: top + labels.length * height + 12, series: [], dashed: [],
    option: {
      ...base(colours),
      grid: { left: wide, right: 12, top, bottom: 8 },
      xAxis: { type: "category", data: figure.y, position: "top",
        ...(shared ? { name: shared.trim(), nameLocation: "middle", nameGap: tilted ? 78 : 24, nameTextStyle: { color: colours.muted, fontSize: FONT } } : {}), axisTick: { show: false }, axisLine: { show: false }, splitArea: { show: false },
        axisLabel: label(colours, { color: colours.text, interval: 0, hideOverlap: false, rotate: tilted ? -60 : 0, formatter: (each: string) => clip(short(each), 14) }) },
      yAxis: { type: "category", data: labels, inverse: true, axisTick: { show: false }, axisLine: { show: false },
        axisLabel: label(colours, { color: colours.text, interval: 0, hideOverlap: false, formatter: (each: string) => clip(each, 16) }) },
      visualMap: { show: false, min: least, max: most > least ? most : least + 1, dimension: 2, inRange: { color: [colours.faint, colours.deep] } },
      tooltip: {
        ...(base(colours).tooltip as object), trigger: "item",
        formatter: (point: unknown) => {
          const { value } = point as { value: (number | null)[] };
          return tip([["", number(value[2])]], `${labels[value[1] ?? 0] ?? ""}, ${figure.y[value[0] ?? 0] ?? ""}`);
        },
      },
      series: [{
        type: "heatmap", itemStyle: { borderColor: colours.ground, borderWidth: 3, borderRadius: 3 },
        data: cells.map((each) => ({
          value: each[2] === null ? [each[0], each[1], "-"] : [...each],
          label: { show: readable && each[2] !== null, color: each[2] === null ? colours.text : ink(each[2]),
            fontSize: height > 40 ? 14 : FONT, formatter: () => number(each[2]) },
        })),
        emphasis: { itemStyle: { borderColor: colours.text, borderWidth: 1 } },
      }],
    },
  };
}
