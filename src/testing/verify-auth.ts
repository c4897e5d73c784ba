/** The contract of an auth strategy, as a suite that any strategy can be put through. */

import type { Adapter } from "../core/adapter.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { systemRandom } from "../core/random.ts";
import { expect, expectEqual, failureOf, runContract, show, skipRule, type ContractOptions, type ContractReport, type Rule, type RuleBase } from "./report.ts";

/** What is used of a strategy. */
export interface AuthLike {
  readonly name: string;
  readonly marks?: { readonly header?: string; readonly query?: string; readonly cookie?: string };
  apply(request: never, context: never): unknown;
  shouldRefresh?(response: never, context: never): boolean;
  refresh?(context: never): unknown;
}

export interface AuthContractOptions extends ContractOptions {
  /** Where the strategy gets its tokens from. Without one it must need none. */
  readonly adapter?: Adapter;
  /** The clock of the strategy. @default the system's */
  readonly timers?: Clock;
  readonly principal?: string;
  /** A text that must appear nowhere but on the request: the secret the strategy was made with. */
  readonly secret?: string;
  /** Statuses to ask `shouldRefresh` about. @default 401 */
  readonly refusal?: number;
}

interface Request {
  url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly attempt: number;
}

interface AuthRuleContext extends RuleBase {
  readonly strategy: AuthLike;
  readonly options: AuthContractOptions;
  /** What it said to events and to the list of secrets. */
  readonly said: { readonly hidden: string[]; readonly infos: string[] };
  request(headers?: Record<string, string>): Request;
  apply(request: Request, context?: object): Promise<void>;
  context(): object;
}

const BASE = "https://api.test/things?page=1";

const rules: readonly Rule<AuthRuleContext>[] = [
  { rule: "apply/leaves-the-origin-alone", async run({ request, apply }) {
    const one = request();
    await apply(one);
    expectEqual(new URL(one.url).origin, "https://api.test", "the origin after apply");
    expectEqual(new URL(one.url).searchParams.get("page"), "1", "the query that was there");
  } },
  { rule: "apply/keeps-what-is-there", async run({ request, apply, strategy }) {
    const one = request({ "x-own": "yes", accept: "text/plain", cookie: "own=1" });
    await apply(one);
    expectEqual([one.headers["x-own"], one.headers["accept"]], ["yes", "text/plain"], "headers of the caller");
    if (strategy.marks?.header !== "cookie") expectEqual(one.headers["cookie"], "own=1", "the caller's cookie");
    else expect(String(one.headers["cookie"]).includes("own=1"), "the caller's cookie is gone");
  } },
  { rule: "apply/lower-case-names-and-no-line-breaks", async run({ request, apply }) {
    const one = request();
    await apply(one);
    for (const [name, value] of Object.entries(one.headers)) {
      expect(name === name.toLowerCase(), `the header ${show(name)} is not in lower case`);
      expect(!/[\r\n\0]/.test(String(value)), `the header ${show(name)} holds a line break`);
    }
  } },
  { rule: "apply/marks-what-it-writes", async run({ request, apply, strategy }) {
    const one = request();
    await apply(one);
    const marked = new Set([strategy.marks?.header?.toLowerCase(), "authorization", "cookie"]);
    for (const name of Object.keys(one.headers)) expect(marked.has(name) || name in request().headers || name.startsWith("x-amz-"), `the header ${show(name)} is not in marks: it would go along to other origins`);
    for (const name of new URL(one.url).searchParams.keys()) expect(name === "page" || name === strategy.marks?.query, `the parameter ${show(name)} is not in marks: it would be seen in logs`);
  } },
  { rule: "apply/again-for-another-try", async run({ request, apply, context }) {
    const shared = context();
    const [one, two] = [request(), request()];
    await apply(one, shared);
    await apply(two, shared);
    expectEqual(Object.keys(two.headers).sort(), Object.keys(one.headers).sort(), "headers of the second try");
  } },
  { rule: "apply/hides-its-secret", async run({ request, apply, said, options }) {
    const { secret } = options;
    if (secret === undefined) return skipRule("needs the option secret");
    await apply(request());
    expect(said.infos.every((text) => !text.includes(secret)), "the secret stands in an event");
    expect(said.hidden.length > 0, "nothing was hidden: the secret would stand in errors that quote the request");
  } },
  { rule: "abort/apply-ends-with-its-signal", async run({ strategy, request, context, options }) {
    if (options.adapter === undefined) return skipRule("needs the option adapter");
    const aborted = Object.create(context(), { signal: { value: AbortSignal.abort(new Error("the contract aborts")) } }) as object;
    const outcome = await failureOf(() => strategy.apply(request() as never, aborted as never), "apply with a signal that has aborted").then(() => "failed", () => "applied");
    expect(outcome === "failed" || outcome === "applied", "apply neither failed nor applied");
  } },
  { rule: "refresh/only-for-refusals", async run({ strategy, context, options }) {
    if (strategy.shouldRefresh === undefined) return skipRule("the strategy never refreshes");
    for (const status of [200, 204, 304, 404, 500]) expect(strategy.shouldRefresh({ status, headers: {}, url: BASE } as never, context() as never) === false, `it wants to refresh after a ${status}`);
    expectEqual(typeof strategy.shouldRefresh({ status: options.refusal ?? 401, headers: {}, url: BASE } as never, context() as never), "boolean", "what shouldRefresh gives");
  } },
];

/** The names of the rules, as `skip` and the report use them. */
export const authContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/** Puts a strategy through every rule of its contract. Never rejects and needs no test framework. */
export function verifyAuthContract(strategy: AuthLike, options: AuthContractOptions = {}): Promise<ContractReport> {
  return runContract("auth strategy", rules, options, (base) => {
    const said = { hidden: [] as string[], infos: [] as string[] };
    const stored = new Map<string, unknown>();
    const controller = new AbortController();
    base.after(() => controller.abort());
    const context = (): object => ({
      vault: {
        key: (...parts: readonly (string | undefined)[]) => parts.filter((part) => part !== undefined).map(encodeURIComponent).join(":"),
        read: async (key: string) => ({ value: stored.get(key), stored: stored.get(key) }),
        write: async (key: string, value: unknown) => void stored.set(key, value),
        replace: async (key: string, before: unknown, value: unknown) => stored.get(key) === before && (stored.set(key, value), true),
        delete: async (key: string) => void stored.delete(key),
        exclusively: async (_: string, __: number, ___: AbortSignal, work: (locked: boolean, lost: AbortSignal) => unknown) => work(true, new AbortController().signal),
      },
      clock: options.timers ?? systemClock, random: systemRandom, principal: options.principal, stitch: "contract", memo: undefined, signal: controller.signal,
      adapter: options.adapter ?? (() => Promise.reject(new Error("this contract was given no adapter"))),
      hide: (secret: string) => void said.hidden.push(secret),
      info: (topic: string, detail: string) => void said.infos.push(`${topic} ${detail}`),
      background: (work: Promise<unknown>) => void work.catch(() => undefined),
    });
    return {
      ...base, strategy, options, said, context,
      request: (headers = {}) => ({ url: BASE, method: "GET", headers: { ...headers }, body: null, attempt: 1 }),
      async apply(request, given = context()) {
        expect(typeof strategy?.apply === "function" && typeof strategy.name === "string", "a strategy needs a name and apply(request, context)");
        await strategy.apply(request as never, given as never);
      },
    };
  });
}
