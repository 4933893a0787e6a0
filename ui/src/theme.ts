// Light and dark: what the reader chose, else what the system says; charts ask for the colours that the style sheet holds.
import { useSyncExternalStore } from "react";

export type Choice = "system" | "light" | "dark";

export interface Palette {
  text: string; muted: string; line: string; faint: string; ground: string; accent: string; deep: string; series: string[];
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");
const listeners = new Set<() => void>();
const announce = () => listeners.forEach((each) => each());
let choice: Choice = "system";
let printing = false;

try {
  const kept = localStorage.getItem("assay-theme");
  if (kept === "light" || kept === "dark") choice = kept;
} catch { /* a sandboxed frame has no storage */ }

function apply() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  announce();
}

export const isDark = (): boolean => !printing && (choice === "dark" || (choice === "system" && dark.matches));

export function choose(next: Choice) {
  choice = next;
  try {
    if (next === "system") localStorage.removeItem("assay-theme");
    else localStorage.setItem("assay-theme", next);
  } catch { /* then it holds for this visit */ }
  apply();
}

function onPaper(now: boolean) {
  if (now === printing) return;
  printing = now;
  apply();
}

dark.addEventListener("change", apply);
paper.addEventListener("change", (event) => onPaper(event.matches));
addEventListener("beforeprint", () => onPaper(true));
addEventListener("afterprint", () => onPaper(false));
printing = paper.matches;
apply();

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => { listeners.delete(listener); };
};

export const useChoice = (): Choice => useSyncExternalStore(subscribe, () => choice);
export const useDark = (): boolean => useSyncExternalStore(subscribe, isDark);
/** Whether the page is on its way to paper: then everything is unfolded and drawn. */
export const usePrinting = (): boolean => useSyncExternalStore(subscribe, () => printing);

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"), muted: of("muted"), line: of("line"), faint: of("faint"), ground: of("ground"), accent: of("accent"),
    deep: of("deep"), series: [1, 2, 3, 4, 5, 6].map((each) => of(`series-${each}`)),
  };
}
