/** The public API as text: for each entry of the package its declarations, flattened, without comments. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";

export async function apiReport(root) {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const report = {};
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === "string") continue;
    const bundle = await rolldown({ input: join(root, target.types), plugins: [dts({ dtsInput: true, oxc: true })], external: [/^[^./]/, /^#/], logLevel: "silent" });
    const { output } = await bundle.generate({ format: "esm" });
    await bundle.close();
    const code = output.map((chunk) => chunk.code ?? "").join("\n");
    report[basename(target.types)] = `// sluice${subpath.slice(1)}\n\n${stripComments(code)}\n`;
  }
  return report;
}

/** Declarations hold no strings with comment marks in them, so a plain scan is enough. */
function stripComments(code) {
  return code
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{2,}/g, "\n")
    .trim();
}
