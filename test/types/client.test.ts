/** What a declaration says about types: checked by the compiler, run to see that it says the same at run time. */

import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { cookieSession, seam, stitch } from "../../src/client.ts";
import { mockAdapter } from "../../src/testing.ts";

const adapter = mockAdapter([{ respond: { body: { id: "7", tags: ["a"] } } }]);

describe("types of a stitch", () => {
  it("params come from the literal template", () => {
    const call = stitch("GET https://api.test/users/{id}/posts/{post}{?page,size}");
    expectTypeOf(call).parameter(0).toHaveProperty("params");
    // @ts-expect-error params are required
    expect(() => call().safe()).not.toThrow();
    // @ts-expect-error one is missing
    void call({ params: { id: 1 } }).safe;
    // @ts-expect-error unknown slot
    void call({ params: { id: 1, post: 2 }, bogus: 1 }).safe;
    void call({ params: { id: 1, post: "2", page: 3 } }).safe;
    void stitch("https://api.test/")().safe;
  });

  it("bound input is no longer asked for", () => {
    const call = stitch("https://api.test/{a}/{b}").with({ params: { a: 1, b: 2 } });
    void call().safe;
    // @ts-expect-error unknown slot
    expect(() => stitch("https://api.test/{a}").with({ bogus: 1 })).not.toThrow();
  });

  it("unknown options are errors", () => {
    // @ts-expect-error no such option
    expect(() => stitch({ url: "https://api.test/", bogus: 1 } satisfies Parameters<typeof stitch>[0])).toThrow(/bogus/);
  });

  it("zod, valibot and arktype give the same", async () => {
    const byZod = stitch({ url: "https://api.test/", adapter, output: z.object({ id: z.coerce.number(), tags: z.array(z.string()) }) });
    const byValibot = stitch({ url: "https://api.test/", adapter, output: v.object({ id: v.pipe(v.string(), v.transform(Number)), tags: v.array(v.string()) }) });
    const byArktype = stitch({ url: "https://api.test/", adapter, output: type({ id: "string.integer.parse", tags: "string[]" }) });
    const all = [await byZod(), await byValibot(), await byArktype()] as const;
    expectTypeOf(all[0]).toEqualTypeOf<{ id: number; tags: string[] }>();
    expectTypeOf(all[1]).toEqualTypeOf<{ id: number; tags: string[] }>();
    expectTypeOf(all[2]).toEqualTypeOf<{ id: number; tags: string[] }>();
    for (const each of all) expect(each).toEqual({ id: 7, tags: ["a"] });
  });

  it("input schemas type their slots", () => {
    const call = stitch({ method: "POST", url: "https://api.test/", adapter, input: { body: z.object({ n: z.number() }), query: z.object({ q: z.string().optional() }).optional() } });
    // @ts-expect-error the body is required
    void call({}).safe;
    // @ts-expect-error and of this shape
    void call({ body: { n: "1" } }).safe;
    void call({ body: { n: 1 } }).safe;
  });

  it("the kind of answer decides without a schema", () => {
    expectTypeOf(stitch({ url: "https://api.test/", response: "text" })()).resolves.toEqualTypeOf<string>();
    expectTypeOf(stitch({ url: "https://api.test/", response: "bytes" })()).resolves.toEqualTypeOf<Uint8Array>();
    expectTypeOf(stitch({ url: "https://api.test/", output: (value: unknown): value is number => typeof value === "number" })()).resolves.toEqualTypeOf<number>();
  });

  it("a principal's view has no close", () => {
    const view = seam({ baseUrl: "https://api.test", adapter }).as("anna");
    expectTypeOf(view).not.toHaveProperty("close");
    expect(view).not.toHaveProperty("close");
  });

  it("a login is any stitch, and its input is what credentials give", () => {
    const login = stitch({ method: "POST", url: "https://api.test/login", adapter, input: { body: z.object({ user: z.string() }) } });
    void cookieSession({ login, credentials: (principal) => ({ body: { user: principal } }) });
    void cookieSession({ login, tenancy: "app", credentials: () => ({ body: { user: "app" } }) });
    void cookieSession({ login, credentials: async (principal: string) => ({ body: { user: principal } }) });
    void cookieSession({ login: seam({ baseUrl: "https://api.test", adapter }).stitch("POST /login"), credentials: (principal) => ({ body: { user: principal } }) });
    void cookieSession({ login: stitch({ url: "https://api.test/login", output: z.object({ ok: z.boolean() }) }), credentials: () => ({}) });
    // @ts-expect-error the login takes a user
    void cookieSession({ login, credentials: () => ({ body: { name: "x" } }) });
    // @ts-expect-error without a tenancy of "app" there is a principal, and with it there may be none
    void cookieSession({ login, tenancy: "app", credentials: (principal: string) => ({ body: { user: principal } }) });
  });

  it("a seam forgets any of its stitches", async () => {
    const api = seam({ baseUrl: "https://api.test", adapter });
    await api.invalidate(api.stitch({ path: "/{id}", output: z.object({ id: z.string() }) }));
    await api.as("anna").invalidate();
  });
});
