import { useMemo, useState, type ReactNode } from "react";
import { usePrinting } from "../theme";
import { Pager } from "./Pager";
import type { Scalar } from "../types";

export interface Column<T> {
  name: string;
  of: (row: T) => Scalar; // what is sorted by
  show: (row: T) => ReactNode;
  numeric?: boolean;
  wide?: boolean;
}

const PER_PAGE = 50;

function compare(a: Scalar, b: Scalar): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // what is missing comes last
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

/** A table that sorts by its headings; long ones are paged, and whole on paper. */
export function Table<T>({ rows, columns, caption }: { rows: T[]; columns: Column<T>[]; caption: string }) {
  const [order, setOrder] = useState<{ column: number; down: boolean } | null>(null);
  const [turned, setTurned] = useState(0);
  const printing = usePrinting();
  const sorted = useMemo(() => {
    const column = order && columns[order.column];
    if (!column) return rows;
    const sign = order.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [left, right] = [column.of(a), column.of(b)];
      return left === null || right === null ? compare(left, right) : sign * compare(left, right);
    });
  }, [rows, columns, order]);
  const pages = Math.ceil(sorted.length / PER_PAGE);
  const page = Math.min(turned, Math.max(0, pages - 1));
  const shown = printing ? sorted : sorted.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
  const sort = (place: number) => {
    setOrder(order?.column === place ? (order.down ? null : { column: place, down: true }) : { column: place, down: false });
    setTurned(0);
  };
  return (
    <>
      <div className="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption className="hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((each, place) => (
                <th key={each.name + place} scope="col" className={each.numeric ? "numeric" : undefined}
                  aria-sort={order?.column === place ? (order.down ? "descending" : "ascending") : undefined}>
                  <button type="button" onClick={() => sort(place)}>
                    {each.name}<span className="arrow" aria-hidden="true">{order?.column === place ? (order.down ? "↓" : "↑") : ""}</span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, place) => (
              <tr key={place}>
                {columns.map((each, at) => (
                  <td key={at} className={[each.numeric ? "numeric" : "", each.wide ? "wide" : ""].join(" ").trim() || undefined}>{each.show(row)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!printing && <Pager page={page} pages={pages} onPage={setTurned} label={caption} />}
    </>
  );
}
