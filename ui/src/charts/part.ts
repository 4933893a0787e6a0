// What every picture shares: numbers of a column, texts that fit, axes, and what is said of a point. Texts go through functions, never
// through templates or HTML: names of columns may be hostile.
import type { Option } from "../echarts";
import type { Palette } from "../theme";
import type { Figure, Scalar } from "../types";
import { number, scalar } from "../words";

export const FONT = 12;
export const ROW = 24;
export const MOST_LABELS = 9; // more labels than these, or longer ones, are read better one below the other

export interface Drawing { option: Option; height: number; series: string[]; dashed: string[] }
export const STROKES = ["solid", "dashed", "dotted"] as const;

export const numbers = (column: Scalar[] | undefined): (number | null)[] =>
  (column ?? []).map((each) => (typeof each === "number" && Number.isFinite(each) ? each : null));
/** Names that are too long lose their middle: columns often differ at the end. */
export const clip = (text: string, most: number) => (text.length > most ? `${text.slice(0, Math.ceil(most * 0.6) - 1)}…${text.slice(text.length - Math.floor(most * 0.4))}` : text);
/** What a label takes, near enough to leave room for it. */
export const width = (text: string) => text.length * FONT * 0.56;

/** Labels that say an order (bins, months): they stay in it, along the bottom. */
export const ordered = (labels: Scalar[]): boolean =>
  labels.every((each) => typeof each === "number" || /^[\s(\[<>=≤≥−–-]*[\d.]/.test(String(each)));
export const lying = (figure: Figure): boolean => {
  const labels = figure.table[figure.x] ?? [];
  return figure.kind === "bars" && !ordered(labels) && (labels.length > MOST_LABELS || labels.some((each) => scalar(each).length > 12));
};

export function base(colours: Palette): Option {
  return {
    animation: false,
    textStyle: { fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif", fontSize: FONT, color: colours.text },
    color: colours.series,
    tooltip: {
      renderMode: "richText", confine: true, backgroundColor: colours.ground, borderColor: colours.line, borderWidth: 1, padding: [8, 10],
      textStyle: { color: colours.text, fontSize: FONT, lineHeight: 18 }, transitionDuration: 0,
    },
  };
}

export const axisLine = (colours: Palette) => ({ lineStyle: { color: colours.line } });
export const label = (colours: Palette, rest: object = {}) => ({ color: colours.muted, fontSize: FONT, hideOverlap: true, ...rest });
export const split = (colours: Palette) => ({ lineStyle: { color: colours.faint } });
export const named = (name: string, colours: Palette, room: number) => ({
  name: clip(name.replace(/_/g, " "), Math.max(16, Math.floor(room / 8))), nameLocation: "middle", nameGap: 28,
  nameTextStyle: { color: colours.muted, fontSize: FONT },
});
/** An axis of shares ends at 0 and 1, where it comes near them. */
export const shares = { max: ({ min, max }: { min: number; max: number }) => (min >= 0 && max <= 1 && max > 0.9 ? 1 : undefined) };
export const whole = (values: number[]) => (values.length && values.every((each) => each >= 0 && each <= 1) && Math.min(...values) < 0.2 && Math.max(...values) > 0.8
  ? { min: 0, max: 1, interval: 0.25 } : {});
export const scale = (colours: Palette, rest: object = {}) => ({
  type: "value", axisLabel: label(colours, { formatter: (each: number) => number(each, 4) }), axisLine: { show: false }, axisTick: { show: false },
  splitLine: split(colours), splitNumber: 4, ...shares, ...rest,
});

export function tip(lines: [string, string][], heading: string): string {
  return [clip(heading, 60), ...lines.map(([name, text]) => (name ? `${clip(name.replace(/_/g, " "), 40)}  ${text}` : text))].join("\n").replace(/[{}|]/g, " ");
}

export function withEnds(figure: Figure, place: number, row: number): string {
  const at = (name: string | undefined) => (name === undefined ? null : numbers(figure.table[name])[row] ?? null);
  const [middle, low, high] = [at(figure.y[place]), at(figure.low?.[place]), at(figure.high?.[place])];
  return number(middle) + (low !== null && high !== null && low !== high ? `  [${number(low)}, ${number(high)}]` : "");
}

export interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
  size(extent: [number, number]): [number, number];
}
