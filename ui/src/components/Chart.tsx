import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { draw } from "../charts/option";
import { STROKES } from "../charts/part";
import { init, type ECharts } from "../echarts";
import { palette, useDark, usePrinting } from "../theme";
import type { Figure } from "../types";

const PAPER = 660; // pixels of an A4 page between its margins; two pictures stand side by side
const HALF = 318;

/** The picture of a figure, drawn once it comes near, or at once for paper. */
export function Chart({ figure, label, broad = false, extent = null }: { figure: Figure; label: string; broad?: boolean; extent?: [number, number] | null }) {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const [room, setRoom] = useState(0);
  const [near, setNear] = useState(false);
  const dark = useDark();
  const printing = usePrinting();

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return;
    const measure = () => setRoom(Math.round(element.clientWidth));
    measure();
    const sizes = new ResizeObserver(measure);
    sizes.observe(element);
    const sight = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && setNear(true), { rootMargin: "400px" });
    sight.observe(element);
    return () => { sizes.disconnect(); sight.disconnect(); };
  }, []);

  const wide = printing ? (broad ? PAPER : HALF) : room;
  // colours are read from the style sheet, which `dark` has just switched
  const drawing = useMemo(() => draw(figure, palette(), wide || 480, extent), [figure, wide, dark, printing, extent]);
  const wanted = (near || printing) && wide > 0;

  useLayoutEffect(() => {
    const element = frame.current?.firstElementChild as HTMLElement | null;
    if (!element || !wanted) return;
    chart.current ??= init(element, null, { renderer: "svg", width: wide, height: drawing.height });
    chart.current.resize({ width: wide, height: drawing.height });
    chart.current.setOption(drawing.option, { notMerge: true });
    chart.current.getZr().flush(); // paper does not wait for the next frame
  }, [drawing, wanted, wide]);

  useEffect(() => () => { chart.current?.dispose(); chart.current = null; }, []);

  return (
    <div className="chart" ref={frame} role="img" aria-label={label} style={{ height: drawing.height }}>
      <div style={{ height: drawing.height }} />
    </div>
  );
}

/** Which colour is which line; nothing where there is only one. */
export function Legend({ series, dashed, lines, points = [] }: { series: string[]; dashed: string[]; lines: boolean; points?: string[] }) {
  const many = series.length > 1;
  if (!many && !dashed.length) return null;
  return (
    <ul className="legend">
      {many && series.map((each, place) => <li key={each}><i className={`key key-${(place % 6) + 1} ${points.includes(each) ? "dot" : lines ? `stroke ${STROKES[place % 3]}` : ""}`} />{each.replace(/_/g, " ")}</li>)}
      {dashed.map((each) => <li key={each}><i className="key dashed" />{each}</li>)}
    </ul>
  );
}
