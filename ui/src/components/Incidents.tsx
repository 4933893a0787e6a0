import { useMemo } from "react";
import type { Incident } from "../types";
import { moment, plural, sentence } from "../words";
import { Icon } from "./Icon";

const DAY = 86_400_000;
const STEPS = [DAY / 24, DAY / 8, DAY / 4, DAY, 2 * DAY, 7 * DAY, 14 * DAY];
const MOST = 7; // ticks

interface Tick { at: number; text: string }

/** What happened when, source by source, and then every incident in words; the words are the table of the picture. */
export function Incidents({ incidents, rest }: { incidents: Incident[]; rest: string | undefined }) {
  return (
    <>
      <Timeline incidents={incidents} />
      <ul className="lines">
        {incidents.map((each, place) => (
          <li className="line" key={place}>
            <Mark incident={each} />
            <div>
              <p>{sentence(each.sentence)}</p>
              {each.hint && <p className="hint muted small">{sentence(each.hint)}</p>}
              <p className="muted small">{details(each)}</p>
            </div>
          </li>
        ))}
      </ul>
      {rest && <p className="muted small">{rest}</p>}
    </>
  );
}

function Mark({ incident }: { incident: Incident }) {
  const outcome = incident.page ? "fail" : "warn";
  return <span className={`mark ${outcome}`}><Icon outcome={outcome} /><span>{incident.page ? "Page" : "Ticket"}</span></span>;
}

function details(each: Incident): string {
  const when = each.first_seen === each.last_seen ? moment(each.first_seen) : `${moment(each.first_seen)} to ${moment(each.last_seen)}`;
  return [when, each.source && `source ${each.source}`, each.state && each.state, each.cause && (each.cause.startsWith("why:") ? each.cause : `cause: ${each.cause}`)].filter(Boolean).join("; ");
}

function Timeline({ incidents }: { incidents: Incident[] }) {
  const drawn = useMemo(() => incidents
    .map((each) => ({ each, from: Date.parse(each.first_seen), to: Date.parse(each.last_seen) }))
    .filter(({ from, to }) => Number.isFinite(from) && Number.isFinite(to)), [incidents]);
  if (drawn.length < 2) return null;
  const first = Math.min(...drawn.map(({ from }) => from));
  const last = Math.max(...drawn.map(({ to }) => to));
  if (last <= first) return null;
  const share = (at: number) => (100 * (at - first)) / (last - first);
  const sources = [...new Set(drawn.map(({ each }) => each.source ?? "model"))];
  const pages = incidents.filter((each) => each.page).length;
  return (
    <div className="timeline" role="img" aria-label={`${plural(incidents.length, "incident")}, ${plural(pages, "page")} among them, from ${moment(new Date(first).toISOString())} to ${moment(new Date(last).toISOString())}, by source`}>
      {sources.map((source) => (
        <div className="track" key={source}>
          <span className="small">{source}</span>
          <div>
            {drawn.filter(({ each }) => (each.source ?? "model") === source).map(({ each, from, to }, place) => (
              <i key={place} className={each.page ? "page" : "ticket"} title={`${moment(each.first_seen)}: ${each.sentence}`}
                style={{ left: `${share(from)}%`, width: `max(5px, ${share(to) - share(from)}%)` }} />
            ))}
          </div>
        </div>
      ))}
      <div className="track axis">
        <span />
        <div>{ticks(first, last).map((each) => <b key={each.at} className="small muted" style={{ left: `${share(each.at)}%` }}>{each.text}</b>)}</div>
      </div>
    </div>
  );
}

/** At most seven moments at whole hours, days, weeks or months. */
function ticks(first: number, last: number): Tick[] {
  const step = STEPS.find((each) => (last - first) / each <= MOST);
  const text = (at: number) => new Date(at).toLocaleString("en", step && step < DAY ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false, timeZone: "UTC" }
    : step ? { day: "numeric", month: "short", timeZone: "UTC" } : { month: "short", year: "numeric", timeZone: "UTC" });
  const found: Tick[] = [];
  if (step) {
    for (let at = Math.ceil(first / step) * step; at <= last; at += step) found.push({ at, text: text(at) });
    return found;
  }
  const start = new Date(first);
  const months = Math.ceil((last - first) / (30.44 * DAY) / MOST);
  for (let place = 1; ; place += 1) {
    const at = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + place * months, 1);
    if (at > last) return found;
    found.push({ at, text: text(at) });
  }
}
