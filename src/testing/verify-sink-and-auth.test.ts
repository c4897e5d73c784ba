import { describe, expect, it } from "vitest";
import { apiKey, awsSigV4, basic, bearer, consoleSink, loggerSink, multiplex, oauth2, sentrySink } from "../client.ts";
import { mockAdapter } from "./mock-adapter.ts";
import { authContractRules, verifyAuthContract, type AuthLike } from "./verify-auth.ts";
import { sinkContractRules, verifySinkContract, type SinkLike } from "./verify-sink.ts";

const violated = (report: { readonly violations: readonly { readonly rule: string }[] }): string[] => report.violations.map(({ rule }) => rule);

describe("verifySinkContract", () => {
  it.each<[string, () => SinkLike]>([
    ["consoleSink", () => consoleSink({ write: () => undefined }) as SinkLike],
    ["loggerSink", () => loggerSink({ debug() {}, info() {}, warn() {}, error() {} }) as SinkLike],
    ["sentrySink", () => sentrySink({ addBreadcrumb() {}, captureException() {} }) as SinkLike],
    ["multiplex", () => multiplex(consoleSink({ write: () => undefined })) as SinkLike],
  ])("%s passes", async (_, make) => {
    expect(await verifySinkContract(make)).toMatchObject({ ok: true, violations: [], skipped: [] });
  });

  it("every rule can fail", async () => {
    const seen = new Set<string>();
    const open = new Set<string>();
    const broken: Record<string, () => SinkLike> = {
      "handle/every-event": () => ({ handle: (event: { type: string }) => { if (event.type === "delta") throw new Error("no deltas"); } }) as unknown as SinkLike,
      "handle/order-of-two-calls-does-not-matter": () => (open.clear(), { handle: (event: { type: string; spanId: string }) => {
        if (event.type === "start") open.add(event.spanId);
        if (open.size > 1) throw new Error("one at a time");
        if (event.type === "done") open.clear();
      } }) as unknown as SinkLike,
      "handle/what-it-does-not-know": () => ({ handle: (event: { type: string }) => { if (event.type.startsWith("an-")) throw new Error("unknown"); } }) as unknown as SinkLike,
      "handle/changes-nothing": () => ({ handle: (event: { at: number }) => { event.at = 0; } }) as unknown as SinkLike,
      "options/bounds-are-numbers": () => ({ handle: () => undefined, maxBodyBytes: -1 }),
      "close/twice-and-with-nothing-to-do": () => ((closed = 0) => ({ handle: () => undefined, close: () => { if (closed++ > 0) throw new Error("closed"); } }))(),
      "close/after-events": () => ((events = 0) => ({ handle: () => void events++, close: () => { if (events > 5) throw new Error("lost"); } }))(),
    };
    for (const rule of sinkContractRules) {
      expect(violated(await verifySinkContract(broken[rule] as () => SinkLike, { only: [rule] })), rule).toEqual([rule]);
      seen.add(rule);
    }
    expect([...seen]).toEqual(Object.keys(broken));
  });
});

describe("verifyAuthContract", () => {
  const tokens = mockAdapter([{ respond: { body: { access_token: "token-1", token_type: "Bearer" } } }]);
  it.each<[string, AuthLike]>([
    ["bearer", bearer("secret-1") as AuthLike], ["basic", basic({ user: "u", pass: "secret-1" }) as AuthLike], ["apiKey header", apiKey({ value: "secret-1" }) as AuthLike], ["apiKey query", apiKey({ in: "query", name: "k", value: "secret-1" }) as AuthLike],
    ["apiKey cookie", apiKey({ in: "cookie", name: "k", value: "secret-1" }) as AuthLike], ["oauth2", oauth2({ tokenUrl: "https://id.test/t", clientId: "c", clientSecret: "secret-1" }) as AuthLike],
    ["awsSigV4", awsSigV4({ region: "r", service: "s", credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret-1" } }) as AuthLike],
  ])("%s passes", async (_, strategy) => {
    const report = await verifyAuthContract(strategy, { secret: "secret-1", adapter: tokens });
    expect(report.violations).toEqual([]);
    expect(report.passed.length).toBeGreaterThanOrEqual(6);
  });

  it("every rule but the lenient one can fail", async () => {
    const of = (apply: (request: { url: string; headers: Record<string, string> }, context: { info(topic: string, text: string): void }) => unknown, more: Partial<AuthLike> = {}): AuthLike => ({ name: "broken", apply, ...more }) as unknown as AuthLike;
    let times = 0;
    const broken: Record<string, AuthLike> = {
      "apply/leaves-the-origin-alone": of((request) => void (request.url = "https://evil.test/?page=1")),
      "apply/keeps-what-is-there": of((request) => void (request.headers["cookie"] = "mine=1")),
      "apply/lower-case-names-and-no-line-breaks": of((request) => void (request.headers["Authorization"] = "x")),
      "apply/marks-what-it-writes": of((request) => void (request.headers["x-own-key"] = "x")),
      "apply/again-for-another-try": of((request) => void (request.headers[`x-${times++}`] = "x")),
      "apply/hides-its-secret": of((_, context) => context.info("auth", "secret-1")),
      "refresh/only-for-refusals": of(() => undefined, { shouldRefresh: () => true }),
    };
    for (const [rule, strategy] of Object.entries(broken)) expect(violated(await verifyAuthContract(strategy, { only: [rule], secret: "secret-1" })), rule).toEqual([rule]);
    expect([...Object.keys(broken), "abort/apply-ends-with-its-signal"].sort()).toEqual([...authContractRules].sort());
    const hanging = of(() => new Promise(() => undefined));
    expect(violated(await verifyAuthContract(hanging, { only: ["abort/apply-ends-with-its-signal"], adapter: tokens, timeoutMs: 50 }))).toEqual(["abort/apply-ends-with-its-signal"]);
  });
});
