import { useDeferredValue, useId, useMemo, useState } from "react";
import { usePrinting } from "../theme";
import type { Counts, Outcome, Verdict } from "../types";
import { OUTCOMES, plural, whole, WORD, worstFirst } from "../words";
import { Copy } from "./Copy";
import { Icon, Mark } from "./Icon";

const FIRST = 8;
const MORE = 50;

const said = (each: Verdict) => [each.check, each.sentence, each.hint ?? "", ...Object.values(each.slice).map(String), each.verdict].join(" ").toLowerCase();

/** Verdicts, worst first, to be searched and filtered. */
export function Verdicts({ verdicts, counts, left_out, label }: { verdicts: Verdict[]; counts: Counts; left_out?: string | undefined; label: string }) {
  const [text, setText] = useState("");
  const [only, setOnly] = useState<Outcome | null>(null);
  const [most, setMost] = useState(FIRST);
  const printing = usePrinting();
  const wanted = useDeferredValue(text.trim().toLowerCase());
  const id = useId();
  const sorted = useMemo(() => [...verdicts].sort(worstFirst), [verdicts]);
  const found = useMemo(() => sorted.filter((each) => (!only || each.verdict === only) && (!wanted || said(each).includes(wanted))), [sorted, only, wanted]);
  const tools = verdicts.length > 6;
  const shown = printing ? sorted : found.slice(0, most);
  return (
    <div className="verdicts">
      {tools && (
        <div className="tools" role="search" aria-label={`Verdicts of ${label}`}>
          <label htmlFor={id} className="hidden">Search the verdicts of {label}</label>
          <input id={id} type="search" placeholder="Search column, slice, check" value={text} onChange={(event) => { setText(event.target.value); setMost(FIRST); }} />
          <Chips counts={counts} only={only} onOnly={(next) => { setOnly(next); setMost(FIRST); }} />
        </div>
      )}
      {(text || only) && <p className="muted small" role="status">{found.length ? `${plural(found.length, "verdict")} found.` : "No verdict is like that."}</p>}
      <ul className="lines">
        {shown.map((each, place) => <Line key={place} verdict={each} />)}
      </ul>
      {!printing && found.length > shown.length && (
        <button type="button" className="plain more" onClick={() => setMost(most + MORE)}>
          Show {whole(Math.min(MORE, found.length - shown.length))} more of {whole(found.length)}
        </button>
      )}
      {left_out && <p className="muted small">{left_out}</p>}
    </div>
  );
}

function Chips({ counts, only, onOnly }: { counts: Counts; only: Outcome | null; onOnly: (outcome: Outcome | null) => void }) {
  const present = OUTCOMES.filter((each) => counts[each]);
  if (present.length < 2) return null;
  return (
    <div className="chips" role="group" aria-label="Show only">
      {present.map((each) => (
        <button key={each} type="button" className="chip" aria-pressed={only === each} onClick={() => onOnly(only === each ? null : each)}>
          <Icon outcome={each} size={14} />{WORD[each]} <b>{whole(counts[each] ?? 0)}</b>
        </button>
      ))}
    </div>
  );
}

function Line({ verdict }: { verdict: Verdict }) {
  const bad = verdict.verdict !== "pass" && verdict.verdict !== "too small";
  return (
    <li className="line">
      <Mark outcome={verdict.verdict} />
      <div>
        <p>{verdict.sentence}</p>
        {bad && verdict.hint && <p className="muted hint">{verdict.hint}</p>}
        {!verdict.sentence.includes(verdict.check) && <p className="muted small check">{verdict.check}</p>}
      </div>
    </li>
  );
}

/** What to look at first: the worst verdicts, one for each check, with what to do next. */
export function Worst({ verdicts, most = 5 }: { verdicts: Verdict[]; most?: number }) {
  const groups = useMemo(() => {
    const found = new Map<string, Verdict[]>();
    for (const each of [...verdicts].sort(worstFirst)) {
      if (each.verdict === "pass" || each.verdict === "too small") continue;
      const key = JSON.stringify([each.check, each.verdict]);
      found.set(key, [...(found.get(key) ?? []), each]);
    }
    return [...found.values()];
  }, [verdicts]);
  if (!groups.length) return null;
  return (
    <ol className="worst">
      {groups.slice(0, most).map(([first, ...rest]) => first && (
        <li key={first.check + first.verdict}>
          <Mark outcome={first.verdict} />
          <div>
            <p className="lead">{first.sentence}</p>
            {rest.length > 0 && <p className="muted">The same check {first.verdict === "inconclusive" ? "cannot tell" : first.verdict === "warn" ? "warns" : first.verdict === "error" ? "could not be measured" : "fails"} in {plural(rest.length, "other place")}.</p>}
            {first.hint && <p className="hint"><b>Next:</b> {first.hint}</p>}
            {first.expression && <Copy text={first.expression} label={`the check ${first.expression}`} />}
          </div>
        </li>
      ))}
      {groups.length > most && <li><span /><p className="muted">{plural(groups.length - most, "more line")} like these {groups.length - most === 1 ? "is" : "are"} in the parts below.</p></li>}
    </ol>
  );
}

