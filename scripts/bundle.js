/** One minified file from a module's text, as a deploy to Workers or a browser build would make it. `sluice/...` is the built package. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const CONDITIONS = {
  worker: ["workerd", "worker", "browser", "import", "module", "default"],
  browser: ["browser", "import", "module", "default"],
};

export async function bundle(source, options) {
  return (await outputs(source, options))[0].code;
}

async function outputs(source, { minify = false, format = "esm", target = "worker", split = false } = {}) {
  const entry = `${root}scripts/bundle-entry.js`;
  const build = await rolldown({
    input: entry, cwd: root, platform: "browser", external: [/^cloudflare:/], resolve: { conditionNames: CONDITIONS[target] }, logLevel: "silent",
    plugins: [{ name: "text", resolveId: (id) => (id === entry ? id : null), load: (id) => (id === entry ? source : null) }],
  });
  try {
    const { output } = await build.generate({ format, minify, ...(split ? {} : { codeSplitting: false }), ...(format === "iife" ? { name: "worker", globals: { "cloudflare:workers": "({ DurableObject: class {} })" } } : {}) });
    return output.filter(({ type }) => type === "chunk");
  } finally {
    await build.close();
  }
}

/** In kB, minified and compressed with gzip. For a browser: what is loaded at once, without the parts that are fetched when needed. */
export async function gzipKb(source, target) {
  const chunks = await outputs(source, { minify: true, target, split: target === "browser" });
  const loaded = new Set([chunks[0].fileName]);
  for (const name of loaded) for (const next of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) loaded.add(next);
  const bytes = chunks.filter(({ fileName }) => loaded.has(fileName)).reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
  return bytes / 1000;
}
