import type { Run } from "../types";
import { counted, headline, MEANING, OUTCOMES, reason, scalar, sentence, title, total, whole, WORD } from "../words";
import { Icon } from "./Icon";

/** The verdict in big words, why, how many of each, and what was judged. */
export function Hero({ run }: { run: Run }) {
  const counts = run.page?.counts ?? counted(run.verdicts);
  const all = total(counts);
  const present = OUTCOMES.filter((each) => counts[each]);
  const measuredOnly = !all && !run.findings.some((each) => each.outcome !== "warn") && !run.incidents.length && run.values.length > 0;
  const said = run.sentences ?? [];
  return (
    <header className={`hero ${said.length && measuredOnly ? "" : run.verdict.replace(" ", "-")}`}>
      <h1>
        {measuredOnly ? <span>{said.length && run.verb !== "probe" ? "Explained" : "Measured"}</span> : <><Icon outcome={run.verdict} size={44} /><span>{headline(run)}</span></>}
      </h1>
      {said.map((each, place) => <p className="reason" key={place}>{sentence(each)}</p>)}
      {!(said.length && measuredOnly) && <p className="reason">{reason(run)}</p>}
      {all > 0 && (
        <>
          <div className="share" aria-hidden="true">
            {present.map((each) => <i key={each} className={each.replace(" ", "-")} style={{ flexGrow: counts[each] }} />)}
          </div>
          <ul className="counts">
            {present.map((each) => (
              <li key={each} title={MEANING[each]}><Icon outcome={each} size={16} /><b>{whole(counts[each] ?? 0)}</b> <span>{WORD[each].toLowerCase()}</span></li>
            ))}
          </ul>
        </>
      )}
      {Object.keys(run.about).length > 0 && (
        <dl className="about">
          {Object.entries(run.about).map(([name, fact]) => (
            <div key={name}><dt>{title(name)}</dt><dd>{scalar(fact)}</dd></div>
          ))}
        </dl>
      )}
      {run.page?.left_out.about && <p className="muted small">{run.page.left_out.about}</p>}
    </header>
  );
}
