import { expect, test } from "vitest";
import { createGateway } from "../../create-gateway.ts";
import { dashboardPage, streamStats } from "./isolate.ts";

test("the page of an isolate runs its own code alone, and takes no markup from a name", async () => {
  const page = dashboardPage('<b>"shop"</b>', "n0nce");
  expect(page.headers.get("content-security-policy")).toContain("script-src 'nonce-n0nce'");
  const html = await page.text();
  expect(html).not.toContain("<b>");
  expect(html).toContain("&#60;b&#62;");
  expect([...html.matchAll(/<(?:script|style) nonce="n0nce">/g)]).toHaveLength(2);
  expect(html.length).toBeLessThan(2500);
});

test("every page it links to is there, and the feed says that it is not", async () => {
  await using gateway = createGateway({ metrics: true, admin: { auth: () => true }, routes: [{ path: "/*", pipeline: { upstream: { type: "handler", handler: (c) => c.text("app") } } }] });
  const links = [...(await dashboardPage("shop", "n").text()).matchAll(/href="#(\w+)"/g)].map(([, page]) => page);
  expect(links.length).toBe(8);
  for (const page of links) expect((await gateway.fetch(new Request(`http://localhost/___gateway/${page}`))).status, page).toBe(200);
  expect(streamStats).toThrow(expect.objectContaining({ code: "not_found" }) as Error);
});
