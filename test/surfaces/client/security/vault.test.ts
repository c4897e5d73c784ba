/** What lies in the backend is unreadable with `encryption`, and a ciphertext that was moved does not open. */

import { expect, it } from "vitest";
import { aesGcm, cookieSession, oauth2, seam, stitch } from "../../../../src/client.ts";
import { memoryStore } from "../../../../src/memory.ts";
import type { StitchStore } from "../../../../src/state.ts";
import { mockAdapter } from "../../../../src/testing.ts";

/** A store that shows what was written to it. */
function open(): StitchStore & { readonly raw: Map<string, unknown> } {
  const store = memoryStore();
  const raw = new Map<string, unknown>();
  return new Proxy(store, { get(target, key) {
    if (key === "raw") return raw;
    const value = Reflect.get(target, key, target) as unknown;
    if (typeof value !== "function") return value;
    return async (...given: unknown[]) => {
      const result = (await (value as (...given: unknown[]) => unknown).apply(target, given)) as unknown;
      if (key === "set") raw.set(given[0] as string, given[1]);
      if (key === "compareAndSet" && result === true) raw.set(given[0] as string, given[2]);
      return result;
    };
  } }) as never;
}

const adapter = () => mockAdapter([
  { match: "/token", respond: (_, nth) => ({ body: { access_token: `canary-token-${nth}`, refresh_token: "canary-refresh", token_type: "Bearer", expires_in: 3600 } }) },
  { match: "/login", respond: { body: 1, headers: { "set-cookie": "sid=canary-cookie; Path=/" } } }, { respond: { body: 1 } },
]);

it("tokens and sessions are unreadable; without encryption they can be read, so the search can find them", async () => {
  for (const encryption of [aesGcm("a secret of some length"), undefined]) {
    const store = open();
    const out = adapter();
    for (const auth of [oauth2({ tokenUrl: "https://api.test/token", clientId: "c" }), cookieSession({ login: stitch({ method: "POST", url: "https://api.test/login", adapter: out }), credentials: () => ({}) })]) {
      await seam({ baseUrl: "https://api.test", adapter: out, store, auth, ...(encryption === undefined ? {} : { encryption }) }).as("anna").stitch("/x")();
    }
    const stored = JSON.stringify([...store.raw].filter(([key]) => key.startsWith("vault:")));
    expect(stored).toContain("vault:");
    expect(stored.includes("canary")).toBe(encryption === undefined);
  }
});

it("a ciphertext under another key counts as missing, and so does one that was changed", async () => {
  const store = open();
  const out = adapter();
  const make = () => seam({ baseUrl: "https://api.test", adapter: out, store, encryption: aesGcm("a secret of some length"), auth: oauth2({ tokenUrl: "https://api.test/token", clientId: "c", tenancy: "principal" }) });
  await make().as("anna").stitch("/x")();
  await make().as("bert").stitch("/x")();
  const asked = (): number => out.calls.filter(({ url }) => url.endsWith("/token")).length;
  expect(asked()).toBe(2);
  const [anna, bert] = [...store.raw.keys()].filter((key) => key.startsWith("vault:")) as [string, string];
  await store.set(bert, store.raw.get(anna));
  await make().as("bert").stitch("/x")();
  expect(asked()).toBe(3);
  expect(out.lastRequest?.headers["authorization"]).toBe("Bearer canary-token-3");
  const sealed = (store.raw.get(anna) as { $sealed: string }).$sealed;
  await store.set(anna, { $sealed: `${sealed.slice(0, -6)}AAAA${sealed.slice(-2)}` });
  await make().as("anna").stitch("/x")();
  expect(asked()).toBe(4);
  // What is intact is used.
  await make().as("anna").stitch("/x")();
  expect(asked()).toBe(4);
});
