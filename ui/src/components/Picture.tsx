import { useMemo, useState } from "react";
import { draw, plain } from "../charts/option";
import { lying } from "../charts/part";
import { palette, usePrinting } from "../theme";
import type { Figure } from "../types";
import { scalar, sentence, title } from "../words";
import { Chart, Legend } from "./Chart";
import { Pieces } from "./Pieces";
import { Pager } from "./Pager";
import { Table, type Column } from "./Table";

const PER_PAGE = 25;

function cut(figure: Figure, from: number): Figure {
  const table = Object.fromEntries(Object.entries(figure.table).map(([name, column]) => [name, column.slice(from, from + PER_PAGE)]));
  return { ...figure, table };
}

/** The ends of the numbers drawn, so that every page of a long picture has one scale. */
function ends(figure: Figure): [number, number] | null {
  const known = [...figure.y, ...(figure.low ?? []), ...(figure.high ?? [])]
    .flatMap((name) => (figure.table[name] ?? []).flatMap((each) => (typeof each === "number" ? [each] : [])));
  return known.length ? [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))] : null;
}

/** Bars of many names are read from the longest; where two stand side by side, from those furthest apart. */
function longestFirst(figure: Figure): Figure {
  const size = (row: number) => {
    const known = figure.y.flatMap((name) => { const each = figure.table[name]?.[row]; return typeof each === "number" ? [each] : []; });
    return known.length > 1 ? Math.max(...known) - Math.min(...known) : Math.abs(known[0] ?? -1);
  };
  const rows = Array.from({ length: figure.table[figure.x]?.length ?? 0 }, (_, each) => each);
  const sizes = rows.map(size);
  rows.sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  return { ...figure, table: Object.fromEntries(Object.entries(figure.table).map(([name, column]) => [name, rows.map((row) => column[row] ?? null)])) };
}

/** A figure: what it says, its picture, and the table that the picture was drawn from. */
export function Picture({ figure, level = 3 }: { figure: Figure; level?: 3 | 4 }) {
  if (!plain(figure)) return <Drawn figure={figure} level={level} />;
  const Heading = `h${level}` as "h3" | "h4";
  return (
    <figure className={`picture drawn-${figure.kind}`}>
      <figcaption>
        <Heading>{figure.title}</Heading>
        {figure.sentence && <p className="muted">{sentence(figure.sentence)}</p>}
      </figcaption>
      <Pieces figure={figure} />
      {figure.left_out && <p className="muted small">{figure.left_out}</p>}
      {figure.kind === "marked" && <Numbers figure={figure} />}
    </figure>
  );
}

function Drawn({ figure: given, level }: { figure: Figure; level: 3 | 4 }) {
  const figure = useMemo(() => (lying(given) && (given.table[given.x]?.length ?? 0) > PER_PAGE ? longestFirst(given) : given), [given]);
  const [page, setPage] = useState(0);
  const printing = usePrinting();
  const rows = figure.table[figure.x]?.length ?? 0;
  const paged = (figure.kind === "interval" || lying(figure)) && rows > PER_PAGE;
  const pages = paged ? Math.ceil(rows / PER_PAGE) : 1;
  const shown = useMemo(() => (paged ? cut(figure, printing ? 0 : page * PER_PAGE) : figure), [figure, page, paged, printing]);
  const drawing = useMemo(() => draw(cut(figure, 0), palette(), 480), [figure]);
  const broad = Object.keys(figure.table).length > 6; // its table needs the whole width of a sheet
  const extent = useMemo(() => (paged ? ends(figure) : null), [figure, paged]);
  const Heading = `h${level}` as "h3" | "h4";
  const label = `${figure.title}. ${figure.sentence ?? ""} The table below holds its numbers.`.replace(/\.\s+\./g, ".");
  return (
    <figure className={`picture drawn-${figure.kind}${broad ? " broad" : ""}`}>
      <figcaption>
        <Heading>{figure.title}</Heading>
        {figure.sentence && <p className="muted">{sentence(figure.sentence)}</p>}
      </figcaption>
      {rows ? (
        <>
          <Legend series={drawing.series} dashed={drawing.dashed} lines={figure.kind === "line"} points={figure.points} />
          <Chart figure={shown} label={label} broad={broad} extent={extent} />
          {paged && printing && <p className="muted small">The first {PER_PAGE} are drawn; the table has all {rows}.</p>}
          {paged && !printing && <Pager page={page} pages={pages} onPage={setPage} label={figure.title} />}
        </>
      ) : <p className="muted">There is nothing to draw.</p>}
      {figure.left_out && <p className="muted small">{figure.left_out}</p>}
      {rows > 0 && <Numbers figure={figure} />}
    </figure>
  );
}

function Numbers({ figure }: { figure: Figure }) {
  const [open, setOpen] = useState(false);
  const printing = usePrinting();
  const names = Object.keys(figure.table);
  const rows = figure.table[figure.x]?.length ?? 0;
  const columns: Column<number>[] = names.map((name) => ({
    name: title(name), of: (row) => figure.table[name]?.[row] ?? null, show: (row) => scalar(figure.table[name]?.[row]),
    numeric: figure.table[name]?.some((each) => typeof each === "number") ?? false,
  }));
  return (
    <details open={open || printing} onToggle={(event) => { const now = event.currentTarget.open; if (!printing) setOpen(now); }}>
      <summary>Table</summary>
      {(open || printing) && <Table rows={Array.from({ length: rows }, (_, each) => each)} columns={columns} caption={`Numbers of ${figure.title}`} />}
    </details>
  );
}
