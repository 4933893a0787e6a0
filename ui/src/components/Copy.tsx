import { useRef, useState } from "react";

/** A line to copy; where a frame may not write to the clipboard, the line is selected instead. */
export function Copy({ text, label }: { text: string; label: string }) {
  const code = useRef<HTMLElement>(null);
  const [done, setDone] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone("Copied");
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current);
      let copied = false;
      try {
        copied = document.execCommand("copy");
      } catch { /* then the reader copies the selection */ }
      setDone(copied ? "Copied" : "Selected");
    }
    setTimeout(() => setDone(""), 2000);
  };
  return (
    <div className="copy">
      <code ref={code}>{text}</code>
      <button type="button" className="plain" onClick={copy} aria-label={`Copy ${label}`}>{done || "Copy"}</button>
      <span className="hidden" role="status">{done}</span>
    </div>
  );
}
