// One page in one file: script and style stand inside the template, each allowed by its hash and nothing else.
import { createHash } from "node:crypto";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const digest = (text) => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;

function inline() {
  return {
    name: "inline",
    enforce: "post",
    generateBundle(_, bundle) {
      const found = Object.values(bundle);
      const page = found.find((each) => each.fileName.endsWith(".html"));
      const script = found.find((each) => each.type === "chunk");
      const style = found.find((each) => each.fileName.endsWith(".css"));
      const rest = found.filter((each) => ![page, script, style].includes(each)).map((each) => each.fileName);
      if (rest.length) this.error(`the page must be one file, but these were left: ${rest.join(", ")}`);
      // "</script" in a string would end the element; in a string or a pattern the backslash changes nothing
      const code = script.code.replace(/<\/script/gi, "<\\/script").replace(/<!--/g, "<\\!--").trim();
      const css = String(style.source).trim();
      const policy = [
        "default-src 'none'", `script-src ${digest(code)}`, `style-src-elem ${digest(css)}`,
        "style-src-attr 'unsafe-inline'", // charts place their text with style attributes
        "img-src data:", "base-uri 'none'", "form-action 'none'",
      ].join("; ");
      page.source = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/, "")
        .replace("<!--policy-->", () => `<meta http-equiv="Content-Security-Policy" content="${policy}">`)
        .replace("<!--style-->", () => `<style>${css}</style>`)
        .replace("<!--script-->", () => `<script type="module">${code}</script>`);
      for (const each of [script, style]) delete bundle[each.fileName];
    },
  };
}

export default defineConfig({
  plugins: [react(), inline()],
  build: {
    outDir: "../src/assay/report/static",
    emptyOutDir: false,
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 1e6,
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
    rolldownOptions: { input: "report.html" },
  },
});
