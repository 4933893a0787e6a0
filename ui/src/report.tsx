import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import { Page } from "./components/Page";
import "./theme";
import "./style.css";
import type { Run } from "./types";
import { HEADLINE } from "./words";

const run = JSON.parse(document.getElementById("run")?.textContent ?? "null") as Run;
document.title = `${HEADLINE[run.verdict]} · assay ${run.verb}`;
const root = createRoot(document.getElementById("root") as HTMLElement);
flushSync(() => root.render(<Page run={run} />));
