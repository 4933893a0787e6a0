import { choose, useChoice, type Choice } from "../theme";

const NEXT: Record<Choice, Choice> = { system: "light", light: "dark", dark: "system" };
const LABEL: Record<Choice, string> = { system: "Auto", light: "Light", dark: "Dark" };

export function Theme() {
  const choice = useChoice();
  return (
    <button type="button" className="plain theme" onClick={() => choose(NEXT[choice])}
      aria-label={`Colours: ${LABEL[choice].toLowerCase()}. Change to ${LABEL[NEXT[choice]].toLowerCase()}`}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
        <path d="M8 1.5a6.5 6.5 0 0 1 0 13Z" fill="currentColor" />
      </svg>
      <span>{LABEL[choice]}</span>
    </button>
  );
}
