/** The edge: every file of `bench/edge` is a part of this suite, with cells, ratios and further figures of its own. */
import { readdirSync } from "node:fs";

const folder = new URL("../edge/", import.meta.url);
const parts = await Promise.all(readdirSync(folder).filter((file) => file.endsWith(".js")).sort().map(async (file) => (await import(new URL(file, folder))).default));

export default {
  name: "edge",
  description: parts.map(({ description }) => description).join("; "),
  cells: parts.flatMap(({ cells = [] }) => cells),
  ratios: parts.flatMap(({ ratios = [] }) => ratios),
  async extra(options) {
    const rows = [];
    for (const { extra } of parts) if (extra !== undefined) rows.push(...(await extra(options)));
    return rows;
  },
};
