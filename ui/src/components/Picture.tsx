import { useMemo, useState } from "react";
import { draw, lying } from "../charts/option";
import { palette, usePrinting } from "../theme";
import type { Figure } from "../types";
import { scalar, sentence, title } from "../words";
import { Chart, Legend } from "./Chart";
import { Pager } from "./Pager";
import { Table, type Column } from "./Table";

const PER_PAGE = 25;

function cut(figure: Figure, from: number): Figure {
  const table = Object.fromEntries(Object.entries(figure.table).map(([name, column]) => [name, column.slice(from, from + PER_PAGE)]));
  return { ...figure, table };
}

/** A figure: what it says, its picture, and the table that the picture was drawn from. */
export function Picture({ figure, level = 3 }: { figure: Figure; level?: 3 | 4 }) {
  const [page, setPage] = useState(0);
  const printing = usePrinting();
  const rows = figure.table[figure.x]?.length ?? 0;
  const paged = (figure.kind === "interval" || lying(figure)) && rows > PER_PAGE;
  const pages = paged ? Math.ceil(rows / PER_PAGE) : 1;
  const shown = useMemo(() => {
    if (!paged) return [figure];
    return printing ? Array.from({ length: pages }, (_, each) => cut(figure, each * PER_PAGE)) : [cut(figure, page * PER_PAGE)];
  }, [figure, page, pages, paged, printing]);
  const drawing = useMemo(() => draw(cut(figure, 0), palette(), 480), [figure]);
  const Heading = `h${level}` as "h3" | "h4";
  const label = `${figure.title}. ${figure.sentence ?? ""} The table below holds its numbers.`.replace(/\.\s+\./g, ".");
  return (
    <figure className={`picture drawn-${figure.kind}`}>
      <figcaption>
        <Heading>{figure.title}</Heading>
        {figure.sentence && <p className="muted">{sentence(figure.sentence)}</p>}
      </figcaption>
      {rows ? (
        <>
          <Legend series={drawing.series} dashed={drawing.dashed} />
          {shown.map((each, place) => <Chart key={place} figure={each} label={label} />)}
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
  const names = Object.keys(figure.table).filter((each) => each !== "mark name");
  const rows = figure.table[figure.x]?.length ?? 0;
  const columns: Column<number>[] = names.map((name) => ({
    name: title(name), of: (row) => figure.table[name]?.[row] ?? null, show: (row) => scalar(figure.table[name]?.[row]),
    numeric: figure.table[name]?.some((each) => typeof each === "number") ?? false,
  }));
  return (
    <details open={open || printing} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Table</summary>
      {(open || printing) && <Table rows={Array.from({ length: rows }, (_, each) => each)} columns={columns} caption={`Numbers of ${figure.title}`} />}
    </details>
  );
}
