import type { Outcome } from "../types";
import { WORD } from "../words";

// Every outcome has its own outline, so that it is known without its colour.
const SHAPE: Record<Outcome, string> = {
  pass: "M10 1.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17Z",
  warn: "M10 1.6c.6 0 1 .3 1.3.8l7.3 13.2c.6 1.1-.1 2.4-1.3 2.4H2.7c-1.2 0-1.9-1.3-1.3-2.4L8.7 2.4c.3-.5.7-.8 1.3-.8Z",
  fail: "M6.5 1.5h7l5 5v7l-5 5h-7l-5-5v-7Z",
  error: "M10 .8 19.2 10 10 19.2.8 10Z",
  inconclusive: "M5 2.5h10A2.5 2.5 0 0 1 17.5 5v10a2.5 2.5 0 0 1-2.5 2.5H5A2.5 2.5 0 0 1 2.5 15V5A2.5 2.5 0 0 1 5 2.5Z",
  "too small": "M10 4.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z",
};
const SIGN: Record<Outcome, string> = {
  pass: "m6 10.3 2.7 2.7L14 7.5",
  warn: "M10 7.3v4.2M10 14.4v.2",
  fail: "m7 7 6 6m0-6-6 6",
  error: "M10 6v4.8M10 13.8v.2",
  inconclusive: "M7.8 7.9c0-1.3 1-2.1 2.2-2.1s2.2.8 2.2 2c0 1.5-2.2 1.7-2.2 3.3M10 13.9v.2",
  "too small": "M7.8 10h4.4",
};

export function Icon({ outcome, size = 18 }: { outcome: Outcome; size?: number }) {
  return (
    <svg className={`icon ${outcome.replace(" ", "-")}`} width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path className="shape" d={SHAPE[outcome]} />
      <path className="sign" d={SIGN[outcome]} fill="none" strokeWidth="1.9" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

export function Mark({ outcome }: { outcome: Outcome }) {
  return <span className={`mark ${outcome.replace(" ", "-")}`}><Icon outcome={outcome} /><span>{WORD[outcome]}</span></span>;
}
