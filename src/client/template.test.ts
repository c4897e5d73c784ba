import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTemplate } from "url-template";
import { Runtime } from "./runtime.ts";
import { compileTemplate } from "./template.ts";

test("what is expanded here is what the library makes of it", async () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(undefined), fc.string({ unit: "grapheme" }));
  const templates = ["/a/{x}", "/é[1]%20%zz/{x}/{y}", "/{x,y}/c", "/a{?x,y}", "/a/{x}{?y}", "/a?z=1{&x,y}", "/{x}!*'(){y}{?z.z}", "/a{?x}{&y}", "/b/{x:3}", "/b{/x}{?y*}", "/+/{+x}"];
  await fc.assert(fc.asyncProperty(fc.constantFrom(...templates), value, value, value, async (text, x, y, z) => {
    let url;
    try {
      url = await compileTemplate("url", `https://api.test${text}`).expand({ x, y, "z.z": z }, new Runtime({}, {}));
    } catch {
      return;
    }
    const context = { x, y, "z.z": z } as Record<string, string>;
    const [path, query = ""] = text.replace("?z=1", "").split(/(?=\{[?&])/).reduce<string[]>((all, part, i) => (i === 0 ? [part] : [all[0]!, (all[1] ?? "") + (all[1] === undefined ? part.replace("{&", "{?") : part)]), []);
    expect([url.pathname, url.search]).toEqual([parseTemplate(path!).expand(context), parseTemplate(query).expand(context).replace(/^&/, "?")]);
  }), { numRuns: 3000 });
});

test.each<[string, Record<string, unknown>, string]>([
  ["/{a}/{b}", { a: "\u{1f600}", b: "x\ud800" }, "b"],
  ["/a{?a,b}", { a: 1, b: "\udc00\ud800" }, "b"],
  ["/a{?b*}", { b: ["fine", "\ud800"] }, "b"],
  ["/a{?b*}", { b: { "\ud800": 1 } }, "b"],
  ["/{a}/{b:1}", { a: "é", b: "\u{1f600}" }, "b"],
])("a text without a UTF-8 form in %s is refused by the name of its parameter", async (text, params, name) => {
  const expand = async () => compileTemplate("url", `https://api.test${text}`).expand(params, new Runtime({}, {}));
  await expect(expand()).rejects.toMatchObject({ code: "INPUT_INVALID", message: expect.stringContaining(`params.${name} `) as string, issues: [{ path: ["params", name] }] });
});

test.each(["/x\ud800/{a}", "/\udc00", "/a?b=\ud800{&c}"])("a template without a UTF-8 form is refused: %j", (text) => {
  expect(() => compileTemplate("url", `https://api.test${text}`)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(/^url must be .*surrogates/) as string }));
});
