import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTemplate } from "url-template";
import { compileTemplate } from "./template.ts";

test("what is expanded here is what the library makes of it", async () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(undefined), fc.string({ unit: "grapheme" }));
  const templates = ["/a/{x}", "/é[1]%20%zz/{x}/{y}", "/{x,y}/c", "/a{?x,y}", "/a/{x}{?y}", "/a?z=1{&x,y}", "/{x}!*'(){y}{?z.z}", "/a{?x}{&y}", "/b/{x:3}", "/b{/x}{?y*}", "/+/{+x}"];
  await fc.assert(fc.asyncProperty(fc.constantFrom(...templates), value, value, value, async (text, x, y, z) => {
    let url;
    try {
      url = await compileTemplate("url", `https://api.test${text}`).expand({ x, y, "z.z": z });
    } catch {
      return;
    }
    const context = { x, y, "z.z": z } as Record<string, string>;
    const [path, query = ""] = text.replace("?z=1", "").split(/(?=\{[?&])/).reduce<string[]>((all, part, i) => (i === 0 ? [part] : [all[0]!, (all[1] ?? "") + (all[1] === undefined ? part.replace("{&", "{?") : part)]), []);
    expect([url.pathname, url.search]).toEqual([parseTemplate(path!).expand(context), parseTemplate(query).expand(context).replace(/^&/, "?")]);
  }), { numRuns: 3000 });
});
