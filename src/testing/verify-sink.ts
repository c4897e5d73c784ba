/** The contract of a sink for the client's events, as a suite that any sink can be put through. */

import { expect, expectEqual, runContract, show, type ContractOptions, type ContractReport, type Rule, type RuleBase } from "./report.ts";

/** What is used of a sink. */
export interface SinkLike {
  handle(event: never, context: never): unknown;
  flush?(): unknown;
  close?(): unknown;
  readonly payloads?: boolean;
  readonly maxBodyBytes?: number;
}

interface Event {
  readonly type: string;
  readonly [fact: string]: unknown;
}

interface SinkContext extends RuleBase {
  open(): Promise<{ tell(event: Event, context?: object): Promise<void>; readonly sink: SinkLike; end(): Promise<void> }>;
}

const base = (type: string, at: number, facts: object = {}): Event => ({ type, at, elapsedMs: 1, name: "contract", traceId: "0".repeat(31) + "1", spanId: "0".repeat(15) + "1", attempt: 1, ...facts });

/** Events of a call that had everything: waits, another try, findings, data, failure. */
function life(at: number): Event[] {
  return [
    base("start", at, { method: "GET", url: "https://api.test/x" }), base("progress", at, { phase: "throttled", delayMs: 5 }), base("progress", at, { phase: "request" }), base("progress", at, { phase: "response", status: 503 }),
    base("progress", at, { phase: "retry", delayMs: 10, status: 503 }), base("progress", at, { phase: "request", attempt: 2 }), base("info", at, { topic: "cache", detail: "line\nbreak \u001b[31m" }),
    base("drift", at, { finding: { kind: "missing", severity: "error", path: "a.b" } }), base("delta", at, { data: undefined, id: "1" }), base("error", at, { code: "HTTP_STATUS", status: 503, retryAfterMs: 1000 }), base("done", at, { ok: false, attempts: 2 }),
  ];
}

const CONTEXT = { method: "GET", url: "https://api.test/x", template: "https://api.test/{x}", principal: false, error: undefined };

const rules: readonly Rule<SinkContext>[] = [
  { rule: "handle/every-event", async run({ open, time }) {
    const { tell } = await open();
    for (const event of life(time.now())) await tell(event);
  } },
  { rule: "handle/order-of-two-calls-does-not-matter", async run({ open, time }) {
    const { tell } = await open();
    const [first, second] = [life(time.now()), life(time.now()).map((event) => ({ ...event, spanId: "0".repeat(15) + "2" }))];
    for (const [i, event] of first.entries()) {
      await tell(event);
      await tell(second[i] as Event);
    }
  } },
  { rule: "handle/what-it-does-not-know", async run({ open, time }) {
    const { tell } = await open();
    await tell(base("an-event-of-tomorrow", time.now(), { more: { deep: true } }));
    await tell(base("progress", time.now(), { phase: "a-phase-of-tomorrow" }));
    await tell(base("done", time.now(), { ok: true, attempts: 1 }));
  } },
  { rule: "handle/changes-nothing", async run({ open, time }) {
    const { tell } = await open();
    for (const event of life(time.now())) {
      const before = JSON.stringify(event);
      const context = { ...CONTEXT };
      await tell(event, context);
      expectEqual(JSON.stringify(event), before, `the event ${event.type} after it was handled`);
      expectEqual(context, CONTEXT, "the context after it was handled");
    }
  } },
  { rule: "options/bounds-are-numbers", async run({ open }) {
    const { sink } = await open();
    expect(sink.payloads === undefined || typeof sink.payloads === "boolean", () => `payloads is ${show(sink.payloads)}`);
    expect(sink.maxBodyBytes === undefined || (Number.isInteger(sink.maxBodyBytes) && sink.maxBodyBytes >= 0), () => `maxBodyBytes is ${show(sink.maxBodyBytes)}`);
  } },
  { rule: "close/twice-and-with-nothing-to-do", async run({ open }) {
    const { end } = await open();
    await end();
    await end();
  } },
  { rule: "close/after-events", async run({ open, time }) {
    const { tell, end } = await open();
    for (const event of life(time.now())) await tell(event);
    await end();
  } },
];

/** The names of the rules, as `skip` and the report use them. */
export const sinkContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/** Puts a sink through every rule of its contract. `makeSink` is called once per rule. Never rejects and needs no test framework. */
export function verifySinkContract(makeSink: () => SinkLike | Promise<SinkLike>, options: ContractOptions = {}): Promise<ContractReport> {
  return runContract("sink", rules, options, (given) => ({
    ...given,
    async open() {
      const sink = await makeSink();
      expect(typeof sink?.handle === "function", "a sink needs handle(event, context)");
      const end = async (): Promise<void> => {
        await sink.flush?.();
        await sink.close?.();
      };
      given.after(end);
      return { sink, end, tell: async (event, context = { ...CONTEXT }) => void (await sink.handle(event as never, context as never)) };
    },
  }));
}
