import { useDeferredValue, useId, useMemo, useState } from "react";
import type { Figure, Run, Value } from "../types";
import { called, measured, number, place, plural, title, whole } from "../words";
import { Picture } from "./Picture";
import { Table, type Column } from "./Table";

interface Forest { key: string; name: string; by: string; values: Value[]; overall: Value | undefined }

const about = (value: Value) => [value.name, value.column ?? "", value.model ?? "", value.against ?? ""];

/** Values of slices, by metric and by what the rows were cut by. */
export function forests(values: Value[]): Forest[] {
  const found = new Map<string, Forest>();
  const whole = new Map(values.filter((each) => !Object.keys(each.slice).length).map((each) => [JSON.stringify(about(each)), each]));
  for (const value of values) {
    const by = Object.keys(value.slice).sort();
    if (!by.length) continue;
    const key = JSON.stringify([...about(value), ...by]);
    let forest = found.get(key);
    if (!forest) {
      const name = [called(value), value.column && `of ${value.column}`, value.against && `against ${value.against}`, value.model && `of model ${value.model}`].filter(Boolean).join(" ");
      forest = { key, name, by: by.map((each) => (each === "where" ? "conditions" : each)).join(" × "), values: [], overall: whole.get(JSON.stringify(about(value))) };
      found.set(key, forest);
    }
    forest.values.push(value);
  }
  return [...found.values()];
}

type Order = "worst" | "name" | "rows";

const worse: Record<string, (value: Value) => number> = {
  higher: (each) => each.value ?? 0, lower: (each) => -(each.value ?? 0),
  "nearer 1": (each) => -Math.abs((each.value ?? 1) - 1), "nearer 0": (each) => -Math.abs(each.value ?? 0),
};

function figure(forest: Forest, order: Order): Figure {
  const known = forest.values.filter((each) => each.value !== null);
  const by = order === "name" ? (a: Value, b: Value) => place(a.slice).localeCompare(place(b.slice), "en", { numeric: true })
    : order === "rows" ? (a: Value, b: Value) => b.n - a.n
    : (a: Value, b: Value) => { const score = worse[a.better ?? "higher"] ?? worse.higher!; return score(a) - score(b); };
  const sorted = [...known].sort(by);
  const single = Object.keys(sorted[0]?.slice ?? {}).length === 1;
  const name = (each: Value) => (single ? place({ where: Object.values(each.slice)[0] ?? null }) : place(each.slice));
  const overall = forest.overall?.value;
  const hidden = forest.values.length - known.length;
  const level = Math.round((sorted[0]?.level ?? 0.95) * 100);
  return {
    name: forest.key, kind: "interval", title: `${title(forest.name)} by ${forest.by}`, x: forest.by, y: [forest.name], low: ["low"], high: ["high"],
    table: {
      [forest.by]: sorted.map(name), [forest.name]: sorted.map((each) => each.value), low: sorted.map((each) => each.low), high: sorted.map((each) => each.high),
      n: sorted.map((each) => each.n),
    },
    ...(typeof overall === "number" ? { mark: overall, mark_name: "all rows" } : {}),
    sentence: `${plural(known.length, "slice")}, each with its ${level} % interval${hidden ? `; ${whole(hidden)} without a number` : ""}`,
  };
}

export function Slices({ run }: { run: Run }) {
  const all = useMemo(() => forests(run.values).filter((each) => each.values.some((value) => value.value !== null)), [run]);
  const [order, setOrder] = useState<Order>("worst");
  const id = useId();
  const figures = useMemo(() => all.map((each) => figure(each, order)), [all, order]);
  if (!all.length) return null;
  return (
    <>
      <p className="tools">
        <label htmlFor={id}>Order</label>
        <select id={id} value={order} onChange={(event) => setOrder(event.target.value as Order)}>
          <option value="worst">worst first</option>
          <option value="rows">most rows first</option>
          <option value="name">by name</option>
        </select>
      </p>
      <div className="pictures">
        {figures.map((each) => <Picture key={each.name} figure={each} />)}
      </div>
    </>
  );
}

const COLUMNS: Column<Value>[] = [
  { name: "Metric", of: (row) => row.name, show: called },
  { name: "Column", of: (row) => row.column ?? null, show: (row) => row.column ?? "" },
  { name: "Rows of", of: (row) => place(row.slice), show: (row) => place(row.slice, "all") },
  { name: "Against", of: (row) => row.against ?? null, show: (row) => row.against ?? "" },
  { name: "Model", of: (row) => row.model ?? null, show: (row) => row.model ?? "" },
  { name: "Value", of: (row) => row.value, show: (row) => (row.value === null ? <span className="muted">{measured(row)}</span> : number(row.value)), numeric: true },
  { name: "Low", of: (row) => row.low, show: (row) => number(row.low), numeric: true },
  { name: "High", of: (row) => row.high, show: (row) => number(row.high), numeric: true },
  { name: "Rows", of: (row) => row.n, show: (row) => whole(row.n), numeric: true },
];
const ASKED = new Set(["Column", "Against", "Model"]);

export function Values({ run }: { run: Run }) {
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.trim().toLowerCase());
  const id = useId();
  const rows = useMemo(() => run.values.filter((each) => !wanted || [...about(each), place(each.slice)].join(" ").toLowerCase().includes(wanted)), [run, wanted]);
  const columns = useMemo(() => COLUMNS.filter((each) => !ASKED.has(each.name) || run.values.some((row) => each.of(row) !== null)), [run]);
  return (
    <>
      {run.values.length > 10 && (
        <div className="tools">
          <label htmlFor={id} className="hidden">Search the values</label>
          <input id={id} type="search" placeholder="Search metric, column, slice" value={text} onChange={(event) => setText(event.target.value)} />
          <span className="muted small" role="status">{plural(rows.length, "value")}</span>
        </div>
      )}
      <Table rows={rows} columns={columns} caption="Values" />
      {run.page?.left_out.values && <p className="muted small">{run.page.left_out.values}</p>}
    </>
  );
}
