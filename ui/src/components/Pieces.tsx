import type { Plain } from "../charts/option";
import { numbers, withEnds } from "../charts/part";
import { scalar } from "../words";

/** A text whose words are marked, or a small picture whose patches are: blue raises the answer, orange lowers it; or a trigger in an image. */
export function Pieces({ figure }: { figure: Plain }) {
  const sizes = numbers(figure.table[figure.y[0] ?? ""]).map((each) => each ?? 0);
  const largest = sizes.reduce((most, each) => Math.max(most, Math.abs(each)), 0) || 1;
  const colour = (row: number) => `var(--series-${(sizes[row] ?? 0) < 0 ? 2 : 1})`;
  const strength = (row: number) => Math.abs(sizes[row] ?? 0) / largest;
  const names = (figure.table[figure.x] ?? []).map(scalar);
  const tip = (row: number) => `${names[row]}: ${withEnds(figure, 0, row)}`;
  return (
    <>
      {figure.y[0] === "trigger" ? (sizes.some(Boolean) && <ul className="legend"><li><i className="key key-1" />the trigger</li></ul>) : (
        <ul className="legend">
          <li><i className="key key-1" />raises it</li>
          <li><i className="key key-2" />lowers it</li>
        </ul>
      )}
      {figure.kind === "marked" ? (
        <p className="marked">
          {names.map((each, row) => (
            <span key={row}>
              <span title={tip(row)} className={strength(row) > 0.5 ? "strong" : undefined}
                style={{ background: `color-mix(in srgb, ${colour(row)} ${Math.round(45 * strength(row))}%, transparent)` }}>{each}</span>{" "}
            </span>
          ))}
        </p>
      ) : <Fields figure={figure} colour={colour} strength={strength} tip={tip} />}
    </>
  );
}

interface Look { figure: Plain; colour: (row: number) => string; strength: (row: number) => number; tip: (row: number) => string }

function Fields({ figure, colour, strength, tip }: Look) {
  const [down, right, light] = ["row", "column", "brightness"].map((name) => numbers(figure.table[name])) as [(number | null)[], (number | null)[], (number | null)[]];
  const high = down.reduce<number>((most, each) => Math.max(most, (each ?? 0) + 1), 1);
  const wide = right.reduce<number>((most, each) => Math.max(most, (each ?? 0) + 1), 1);
  return (
    <svg className="patches" viewBox={`0 0 ${wide} ${high}`} role="img" aria-label={`${figure.title}. ${figure.sentence ?? ""}`} shapeRendering="crispEdges">
      {down.map((each, row) => {
        const grey = Math.round(70 + 170 * Math.min(1, Math.max(0, light[row] ?? 0.5))); // neither black nor white: colours are seen on both
        const box = { x: right[row] ?? 0, y: each ?? 0, width: 1, height: 1 };
        return (
          <g key={row}>
            <title>{tip(row)}</title>
            <rect {...box} fill={`rgb(${grey} ${grey} ${grey})`} />
            <rect {...box} style={{ fill: colour(row), fillOpacity: 0.75 * strength(row) }} />
          </g>
        );
      })}
    </svg>
  );
}
