// What assay writes as the JSON of a run (src/assay/result.py), as far as a page shows it.

export type Scalar = string | number | boolean | null;
export type Outcome = "pass" | "warn" | "fail" | "error" | "inconclusive" | "too small";
export type Slice = Record<string, Scalar>;
export type Counts = Partial<Record<Outcome, number>>;

export interface Value {
  metric: string;
  name: string; // the metric with its options: recall(positive=0)
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  slice: Slice;
  better?: "higher" | "lower" | "nearer 1" | "nearer 0" | null;
  unit?: string;
  column?: string;
  model?: string;
  against?: string;
  level?: number;
  note?: string;
  options?: Slice;
}

export interface Verdict {
  check: string;
  verdict: Outcome;
  sentence: string;
  slice: Slice;
  value?: Value;
  threshold?: number;
  p?: number;
  rows_needed?: number;
  hint?: string;
  model?: string;
  aspect?: string;
  expression?: string;
}

export interface Figure {
  name: string;
  kind: "line" | "bars" | "interval" | "matrix" | "waterfall" | "sensitivity" | "beeswarm" | "tree" | "marked" | "patches";
  title: string;
  table: Record<string, Scalar[]>;
  x: string;
  y: string[];
  low?: string[];
  high?: string[];
  sentence?: string;
  aspect?: string;
  column?: string;
  mark?: number;
  mark_name?: string; // what the rule at the mark is, or where a waterfall starts
  end_name?: string; // where a waterfall ends
  diagonal?: boolean;
  points?: string[]; // those of y that are drawn as points
  left_out?: string; // what of the table a page leaves out, in words
}

export interface Finding {
  probe: string;
  sentence: string;
  outcome?: "fail" | "warn"; // warn: a person has to judge it
}

export interface Incident {
  first_seen: string;
  last_seen: string;
  page: boolean;
  sentence: string;
  source?: string | null;
  cause?: string | null;
  state?: string | null;
  hint?: string | null;
}

export interface Run {
  assay: string;
  verb: string;
  run: string;
  verdict: Outcome;
  strict: boolean;
  values: Value[];
  verdicts: Verdict[];
  findings: Finding[];
  incidents: Incident[];
  figures: Figure[];
  notes: string[];
  sentences?: string[]; // what was found, in words: the first things to read
  about: Record<string, Scalar>;
  cost: { seconds: number; rows: number; model_rows: number };
  // Present where a page holds less than the run: counts of the whole, and what is missing in words.
  page?: { counts: Counts; aspects: { name: string; counts: Counts }[]; left_out: Partial<Record<Part, string>> };
}

export type Part = "values" | "verdicts" | "findings" | "incidents" | "figures" | "notes" | "about";
