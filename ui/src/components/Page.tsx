import { useMemo, type MouseEvent, type ReactNode } from "react";
import type { Counts, Figure, Run, Verdict } from "../types";
import { counted, measured, OUTCOMES, plural, sentence, slug, title, whole } from "../words";
import { Hero } from "./Hero";
import { Icon } from "./Icon";
import { Incidents } from "./Incidents";
import { Picture } from "./Picture";
import { forests, Slices, Values } from "./Slices";
import { Theme } from "./Theme";
import { Verdicts, Worst } from "./Verdicts";

// what readers ask for first, of whatever task
const MAIN = ["auc", "accuracy", "balanced_accuracy", "average_precision", "f1", "mae", "rmse", "r2", "ndcg", "mrr"];

interface Part { id: string; name: string; counts?: Counts; body: ReactNode }

/** Go to a part without the address: a page in a frame has none of its own. */
function jump(event: MouseEvent, id: string) {
  event.preventDefault();
  const target = document.getElementById(id);
  target?.scrollIntoView();
  target?.focus({ preventScroll: true });
}

export function Page({ run }: { run: Run }) {
  const parts = useMemo(() => list(run), [run]);
  return (
    <>
      <a className="skip" href="#main" onClick={(event) => jump(event, "main")}>Skip to the verdict</a>
      <div className="frame">
        <div className="bar" role="banner">
          <span className="brand">assay</span>
          <span className="muted">{run.verb}</span>
          <Theme />
        </div>
        <nav className="contents" aria-label="Parts of this report">
          <ul>
            {parts.map((each) => (
              <li key={each.id}><a href={`#${each.id}`} onClick={(event) => jump(event, each.id)}><span>{each.name}</span><Dot counts={each.counts} /></a></li>
            ))}
          </ul>
        </nav>
        <main id="main" tabIndex={-1}>
          <Hero run={run} />
          {parts.map((each) => (
            <section key={each.id} aria-labelledby={`${each.id}-title`}>
              <h2 id={each.id} tabIndex={-1}><span id={`${each.id}-title`}>{each.name}</span></h2>
              {each.body}
            </section>
          ))}
        </main>
        <Foot run={run} />
      </div>
    </>
  );
}

function Dot({ counts }: { counts: Counts | undefined }) {
  const worst = counts && OUTCOMES.find((each) => counts[each] && each !== "pass" && each !== "too small");
  return worst ? <span className="dot"><Icon outcome={worst} size={13} />{whole(counts[worst] ?? 0)}<span className="hidden"> {worst}</span></span> : null;
}

function list(run: Run): Part[] {
  const parts: Part[] = [];
  const left = run.page?.left_out ?? {};
  const add = (name: string, body: ReactNode, counts?: Counts) => {
    let id = slug(name);
    while (parts.some((each) => each.id === id)) id += "-";
    parts.push({ id, name, body, ...(counts ? { counts } : {}) });
  };
  const bad = run.verdicts.some((each) => each.verdict !== "pass" && each.verdict !== "too small");
  const main = run.values.filter((each) => MAIN.includes(each.name) && !Object.keys(each.slice).length && !each.column && !each.against && each.value !== null);
  const notes = <>
    <ul className="notes">{run.notes.map((each, place) => <li key={place}>{sentence(each)}</li>)}</ul>
    {left.notes && <p className="muted small">{left.notes}</p>}</>;
  // what is gained and risked is what a release is decided by
  const trade = run.verb === "gate" && run.notes.length > 0;
  if (trade) add("Gain and risk", notes);
  else if (main.length && run.verb !== "explain") add("In short", <dl className="about">{main.slice(0, 5).map((each, place) => <div key={place}><dt>{title(each.name)}</dt><dd>{measured(each)}</dd></div>)}</dl>);
  if (bad) add("What to look at first", <Worst verdicts={run.verdicts} />);
  if (run.findings.length) add("Findings", <>
    <ul className="lines">{run.findings.map((each, place) => <li className="line" key={place}><span className={`mark ${each.outcome ?? "fail"}`}><Icon outcome={each.outcome ?? "fail"} /><span>{title(each.probe)}</span></span><div><p>{each.sentence}</p></div></li>)}</ul>
    {left.findings && <p className="muted small">{left.findings}</p>}</>);
  if (run.incidents.length) add("Incidents", <Incidents incidents={run.incidents} rest={left.incidents} />);

  const aspects = new Map<string, { verdicts: Verdict[]; figures: Figure[] }>();
  const of = (name: string | undefined) => {
    const key = name || "checks";
    if (!aspects.has(key)) aspects.set(key, { verdicts: [], figures: [] });
    return aspects.get(key)!;
  };
  for (const each of run.page?.aspects ?? []) of(each.name);
  for (const each of run.verdicts) of(each.aspect).verdicts.push(each);
  for (const each of run.figures) of(each.aspect ?? "pictures").figures.push(each);
  // what is only drawn (curves, confusion) is what most readers ask for first; what was asked afterwards stands behind, in its order
  const asked = (name: string) => Number(/^question (\d+): /.exec(name)?.[1] ?? 0);
  const drawn = ([name, part]: [string, { verdicts: Verdict[] }]) =>
    asked(name) ? 1 + asked(name) : name === "performance" ? -1 : Number(part.verdicts.length > 0);
  for (const [name, { verdicts, figures }] of [...aspects].sort((a, b) => drawn(a) - drawn(b))) {
    const counts = run.page?.aspects.find((each) => each.name === name)?.counts ?? counted(verdicts);
    const all = Object.values(counts).reduce((sum, each) => sum + (each ?? 0), 0);
    const rest = all > verdicts.length ? `${plural(all - verdicts.length, "more verdict")} of this part ${all - verdicts.length === 1 ? "is" : "are"} left out here, none worse than these; the JSON of this run has all.` : undefined;
    add(title(name), <>
      {verdicts.length > 0 && <Verdicts verdicts={verdicts} counts={counts} left_out={rest} label={name} />}
      {figures.length > 0 && <div className="pictures">{figures.map((each, place) => <Picture key={place} figure={each} />)}</div>}
    </>, counts);
  }
  if (left.figures) add("More pictures", <p className="muted">{left.figures}</p>);
  // of an explanation the pictures tell of columns
  const sliced = run.verb === "explain" ? { ...run, values: run.values.filter((each) => !each.column) } : run;
  if (forests(sliced.values).some((each) => each.values.some((value) => value.value !== null))) add("Slice by slice", <Slices run={sliced} />);
  if (run.values.length) add("Values", <Values run={run} />);
  if (run.notes.length && !trade) add("Notes", notes);
  return parts;
}

function Foot({ run }: { run: Run }) {
  const { seconds, rows, model_rows } = run.cost;
  const cost = [seconds > 0 && `${seconds.toLocaleString("en", { maximumFractionDigits: 1 })} seconds`, rows > 0 && `${plural(rows, "row")} read`,
    model_rows > 0 && `${plural(model_rows, "row")} put to a model`].filter(Boolean).join(", ");
  return (
    <footer>
      <p>assay {run.assay}{cost && ` · ${cost}`}{run.strict && " · strict"}</p>
      <p>Run <code>{run.run}</code>. This page loads nothing from elsewhere and sends nothing.</p>
    </footer>
  );
}
