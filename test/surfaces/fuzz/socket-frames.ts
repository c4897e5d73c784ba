/** Frames nobody would send, to a served conformance router: each promised answer is counted, and a call afterwards shows that the connection lives. */

import { WebSocket } from "ws";
import { type Codec } from "../../../src/sockets.ts";
import { seededRandom } from "../../../src/testing.ts";

export interface FuzzOptions {
  readonly url: string;
  readonly codec: Codec;
  readonly frames: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly seed: number;
  readonly failures: readonly string[];
  readonly answered: number;
}

type Expected = "one error" | "one answer" | "nothing" | "anything";

interface Shot {
  readonly data: string | Uint8Array;
  readonly expected: Expected;
  readonly id?: string;
}

/** Frames of one connection: fewer than the violations that close it. */
const PER_CONNECTION = 20;
const WAIT_MS = 20_000;

export async function fuzzSocket({ url, codec, frames, seed }: FuzzOptions): Promise<FuzzReport> {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  const upTo = (n: number): number => Math.floor(random.next() * n);
  const failures: string[] = [];
  let answered = 0;

  const text = (): string => pick(["", "a", "__proto__", "constructor", "é\u{1f600}", "\u0000", "x".repeat(upTo(3000)), "type", "$ws:open", String(random.next())]);
  const value = (depth = 0): unknown => {
    switch (upTo(depth > 4 ? 5 : 8)) {
      case 0: return null;
      case 1: return pick([0, -1, 1.5, 1e308, -0, 2 ** 53, 4294967296]);
      case 2: return text();
      case 3: return random.next() < 0.5;
      case 4: return text();
      case 5: return Array.from({ length: upTo(5) }, () => value(depth + 1));
      case 6: return Object.fromEntries(Array.from({ length: upTo(5) }, () => [pick(["a", "b", "constructor", "prototype", "toJSON", "then", text()]).replace("__proto__", "p"), value(depth + 1)]));
      default: return JSON.parse(`{"${pick(["constructor", "a"])}":{"prototype":{"polluted":true}}}`);
    }
  };
  const say = (frame: unknown): string | Uint8Array => codec.encode(frame);
  const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => upTo(256));

  const shots: readonly (() => Shot)[] = [
    () => ({ data: codec.binary ? "{}" : bytes(upTo(50)), expected: "one error" }),
    () => ({ data: codec.binary ? Uint8Array.of(0xc1, ...bytes(upTo(20))) : `{${text()}`, expected: "one error" }),
    () => ({ data: say(pick([null, 1, "x", [], true])), expected: "one error" }),
    () => ({ data: say({ payload: value() }), expected: "one error" }),
    () => ({ data: say({ type: pick(["ECHO", "ADD", "NOPE"]), payload: { text: "x" }, [`k${upTo(9)}`]: value() }), expected: "one error" }),
    () => ({ data: say({ type: pick(["ECHO", "NOPE"]), meta: pick([1, "x", [], true]) }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", payload: { text: nested(65 + upTo(200)) } }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", payload: JSON.parse('{"text":"x","a":{"__proto__":{"polluted":true}}}') }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", meta: JSON.parse('{"__proto__":{"polluted":true}}'), payload: { text: "x" } }), expected: "one error" }),
    () => ({ data: say({ type: pick(["$ws:open", "$ws:close", "$ws:resumed", "$ws:goaway", "__x", "$y", "ERROR", "RPC_ERROR"]), payload: value() }), expected: "one error" }),
    () => ({ data: say({ type: "$ws:abort", meta: pick([{}, { correlationId: "" }, { correlationId: 7 }]) }), expected: "one error" }),
    () => ({ data: say({ type: "$ws:resume", payload: pick([null, 1, { topics: 1 }, { topics: [] }, {}]) }), expected: "one error" }),
    () => ({ data: say({ type: "$ws:resume", payload: { topics: { [`kept:${upTo(5)}`]: value(), [text()]: text() } } }), expected: "anything" }),
    () => ({ data: say({ type: "$ws:auth", payload: pick([{ token: "t" }, {}, null]) }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", meta: { correlationId: pick([0, "", "x".repeat(129), null, {}]) }, payload: { text: "x" } }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", meta: { timeoutMs: pick(["1", -1, null]) }, payload: { text: "x" } }), expected: "one error" }),
    () => ({ data: say({ type: `T${text()}`, payload: value() }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", payload: pick<unknown>([undefined, null, 1, [], {}, { text: 1 }, { text: "x", more: value() }]) }), expected: "one error" }),
    () => ({ data: say({ type: pick(["FAIL"]), payload: { how: pick(["throw", "own"]) } }), expected: "one error" }),
    () => ({ data: say({ type: "ECHO", meta: { constructor: value(), extra: value(), traceparent: "x" }, payload: { text: text() } }), expected: "one answer" }),
    () => ({ data: say({ type: "__heartbeat", extra: value() }), expected: "one answer" }),
    () => ({ data: say({ type: "__heartbeat_ack" }), expected: "nothing" }),
    () => ({ data: say({ type: "$ws:abort", meta: { correlationId: "never-was" } }), expected: "nothing" }),
    () => {
      const id = `c${upTo(1e9)}`;
      return { data: say({ type: pick(["ADD", "COUNT", "PUBLISH", "NOPE", "RUNTIME", "HOOKS"]), meta: { correlationId: id, timeoutMs: 10_000 }, ...(random.next() < 0.8 ? { payload: value() } : {}) }), expected: "one answer", id };
    },
    // A good frame with one thing broken.
    () => {
      const good = say({ type: "ECHO", meta: { correlationId: "m" }, payload: { text: "mutated", list: value() } });
      if (typeof good === "string") {
        const at = upTo(good.length);
        const data = good.slice(0, at) + pick(["", '"', "}", "\\", "\u0007", "{", "9"]) + good.slice(at + upTo(3));
        return { data, expected: parses(data) ? "anything" : "one error" };
      }
      const data = good.slice(0, random.next() < 0.5 ? upTo(good.length) : good.length);
      if (data.length > 0) data[upTo(data.length)] = upTo(256);
      return { data, expected: "anything" };
    },
    () => ({ data: codec.binary ? bytes(1 + upTo(200)) : text() + text(), expected: "anything" }),
  ];

  for (let done = 0; done < frames; done += PER_CONNECTION) {
    const client = await connect(url, codec, `fuzz-${seed}-${done}`);
    for (let i = 0; i < PER_CONNECTION && client.alive(); i++) {
      const shot = pick(shots)();
      const seen = await client.shoot(shot.data);
      const shown = typeof shot.data === "string" ? shot.data.slice(0, 200) : Buffer.from(shot.data).toString("hex").slice(0, 200);
      if (seen === undefined) {
        failures.push(`no life after ${shown}: ${client.end()}`);
        break;
      }
      const errors = seen.filter(({ type }) => type === "ERROR" || type === "RPC_ERROR").length;
      const others = shot.id === undefined ? seen.length - errors : seen.filter(({ meta, type }) => meta?.["correlationId"] === shot.id && type !== "$ws:rpc-progress").length - errors;
      const right = shot.expected === "anything" || (shot.expected === "one error" ? errors === 1 && others === 0 : shot.expected === "nothing" ? seen.length === 0 : errors + others === 1);
      if (!right) failures.push(`${shot.expected} expected for ${shown}, got ${JSON.stringify(seen).slice(0, 300)}`);
      answered += seen.length > 0 ? 1 : 0;
    }
    if (client.alive() && (await client.polluted())) failures.push("Object.prototype was changed");
    client.close();
  }
  return { seed, failures, answered };
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface Seen {
  readonly type: string;
  readonly meta?: Record<string, unknown>;
  readonly payload?: unknown;
}

async function connect(url: string, codec: Codec, name: string) {
  const socket = new WebSocket(`${url}${url.includes("?") ? "&" : "?"}name=${name}`, [`sluice.v1+${codec.name}`]);
  let seen: Seen[] = [];
  let ended: string | undefined;
  let wake: (() => void) | undefined;
  socket.on("message", (data: Buffer, binary: boolean) => {
    seen.push(codec.decode(binary ? new Uint8Array(data) : data.toString()) as Seen);
    wake?.();
  });
  socket.on("error", () => undefined);
  socket.on("close", (code, reason) => ((ended = `closed ${code} ${reason}`), wake?.()));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  let probes = 0;
  /** Everything that came before the answer to a call that is sent now; `undefined` when there is none. */
  const probe = async (type: string, payload?: unknown): Promise<{ before: Seen[]; answer: Seen } | undefined> => {
    const id = `probe-${probes++}`;
    socket.send(codec.encode({ type, meta: { correlationId: id }, ...(payload === undefined ? {} : { payload }) }));
    const until = performance.now() + WAIT_MS;
    for (;;) {
      const at = seen.findIndex(({ meta }) => meta?.["correlationId"] === id);
      if (at >= 0) {
        const before = seen.slice(0, at);
        const answer = seen[at] as Seen;
        seen = seen.slice(at + 1);
        return { before, answer };
      }
      if (ended !== undefined || performance.now() > until) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        wake = () => (clearTimeout(timer), resolve());
      });
    }
  };
  await probe("ADD", { a: 0, b: 0 });
  return {
    alive: () => ended === undefined,
    end: () => ended ?? "no answer",
    close: () => socket.close(),
    async shoot(data: string | Uint8Array): Promise<Seen[] | undefined> {
      socket.send(data);
      return (await probe("ADD", { a: 1, b: 2 }))?.before;
    },
    polluted: async () => ((await probe("RUNTIME"))?.answer.payload as { polluted: boolean } | undefined)?.polluted !== false,
  };
}
