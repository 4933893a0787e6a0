// How outcomes, numbers and slices read; every component says them the same way.
import type { Counts, Outcome, Run, Scalar, Slice, Value, Verdict } from "./types";

export const OUTCOMES: Outcome[] = ["fail", "error", "inconclusive", "warn", "too small", "pass"];
const RANK = Object.fromEntries(OUTCOMES.map((each, place) => [each, place])) as Record<Outcome, number>;
export const WORD: Record<Outcome, string> = {
  pass: "Pass", warn: "Warning", fail: "Fail", error: "Error", inconclusive: "Cannot tell", "too small": "Too small",
};
export const HEADLINE: Record<Outcome, string> = {
  pass: "Passed", warn: "Passed, with warnings", fail: "Failed", error: "Not judged: errors", inconclusive: "Cannot tell yet",
  "too small": "Too few rows to tell",
};
/** The verdict in big words; of a watch, what it would wake someone for. */
const DECISION: Record<string, string> = { release: "Release", block: "Block", inconclusive: "Cannot tell" };

export function headline(run: Run): string {
  if (run.verb === "gate" && typeof run.about.decision === "string") return DECISION[run.about.decision] ?? HEADLINE[run.verdict];
  if (!run.verb.startsWith("monitor")) return HEADLINE[run.verdict];
  const pages = run.incidents.filter((each) => each.page).length;
  return pages ? plural(pages, "page") : "Quiet";
}
export const MEANING: Record<Outcome, string> = {
  fail: "measured, and worse than asked",
  error: "could not be measured",
  inconclusive: "more labelled rows would decide",
  warn: "good enough, but not as good as wished",
  pass: "as good as asked",
  "too small": "slices with too few rows ever to decide",
};

export const rank = (outcome: Outcome): number => RANK[outcome] ?? 0;
export const plural = (n: number, one: string, many = `${one}s`): string => `${whole(n)} ${n === 1 ? one : many}`;
export const whole = (n: number): string => n.toLocaleString("en", { maximumFractionDigits: 0 });

/** A number with as many digits as its size deserves; thin spaces would break copying, so commas group thousands. */
export function number(x: number | null | undefined, digits = 4): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e9 || size < 1e-4) return x.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  if (Number.isInteger(x)) return x.toLocaleString("en");
  const places = Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(size))));
  return x.toLocaleString("en", { maximumFractionDigits: Math.min(places, size < 1 ? digits : places) });
}

export const scalar = (x: Scalar | undefined): string =>
  x === null || x === undefined ? "missing" : typeof x === "number" ? number(x, 6) : x === "" ? "(empty)" : String(x);

/** `carrier AA, origin JFK`; a predicate alone stands for itself. */
export function place(slice: Slice, fallback = "all rows"): string {
  const parts = Object.entries(slice).map(([key, part]) => (key === "where" ? scalar(part) : `${key} ${scalar(part)}`));
  return parts.length ? parts.join(", ") : fallback;
}

/** The metric with its options, in words: `false positive rate(positive=0)`. */
export const called = (value: Value): string => value.metric.replace(/_/g, " ") + value.name.slice(value.metric.length);

export function measured(value: Value): string {
  if (value.value === null || value.value === undefined) return value.note ?? "not defined";
  return number(value.value) + (value.low !== null && value.high !== null && value.low !== value.high
    ? ` [${number(value.low)}, ${number(value.high)}]` : "");
}

export function counted(verdicts: Verdict[]): Counts {
  const counts: Counts = {};
  for (const each of verdicts) counts[each.verdict] = (counts[each.verdict] ?? 0) + 1;
  return counts;
}

export const total = (counts: Counts): number => Object.values(counts).reduce((sum, each) => sum + (each ?? 0), 0);
export const worstFirst = (a: Verdict, b: Verdict): number => rank(a.verdict) - rank(b.verdict);

/** Why the verdict is what it is, in one sentence. */
export function reason(run: Run): string {
  const counts = run.page?.counts ?? counted(run.verdicts);
  const all = total(counts);
  const pages = run.incidents.filter((each) => each.page).length;
  const parts: string[] = [];
  const of = (count: number, doing: string) => parts.push(`${whole(count)}${parts.length ? "" : ` of ${plural(all, "verdict")}`} ${doing}`);
  const [fails, open, warns] = [counts.fail ?? 0, counts.inconclusive ?? 0, counts.warn ?? 0];
  if (fails) of(fails, fails === 1 ? "fails" : "fail");
  if (counts.error) of(counts.error, "could not be measured");
  if (open) of(open, "cannot be decided with so few rows");
  if (warns) of(warns, warns === 1 ? "warns" : "warn");
  if (run.findings.length) parts.unshift(`probes have ${plural(run.findings.length, "finding")}`);
  if (pages) parts.unshift(`${plural(pages, "incident")} worth waking someone for`);
  if (parts.length) return sentence(parts.join("; "));
  if (!all) return run.values.length ? "Nothing was asked of these numbers: the run only measured." : "The run judged nothing.";
  const small = counts["too small"] ?? 0;
  if (small === all) return "Every slice that was asked about is too small to decide.";
  const many = all - small === 1 ? "The one verdict is" : `All ${plural(all - small, "verdict")} are`;
  return `${many} as good as asked${small ? `; ${plural(small, "slice")} too small to decide` : ""}.`;
}

export const sentence = (text: string): string => {
  const whole = text.trim();
  return whole.charAt(0).toUpperCase() + whole.slice(1) + (/[.!?]$/.test(whole) ? "" : ".");
};

const SHORT = /^(auc|psi|f1|mae|mse|rmse|mape|r2|mcc|ks|roc|pr|id)\b/;
export const title = (text: string): string => {
  const plain = text.replace(/_/g, " ");
  return SHORT.test(plain) ? plain.replace(SHORT, (short) => short.toUpperCase()) : plain.charAt(0).toUpperCase() + plain.slice(1);
};
/** `2026-03-01 00:00 UTC` for the times of incidents. */
export const moment = (iso: string): string => iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?/, "$1 $2").replace(/(\+00:00|Z)$/, " UTC");
export const slug = (text: string): string => `part-${text.replace(/[^\w-]+/g, "-").toLowerCase()}`;
