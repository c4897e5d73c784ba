/** One suite for every runtime: a plain WebSocket client from outside, everything it saw as a transcript. */

import { systemClock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import { type Codec, PROTOCOL_PREFIX, jsonCodec } from "../codec.ts";
import type { ConformanceRuntime } from "./conformance-router.ts";

/** The socket of any platform or library that follows the standard's events. */
export interface ClientSocketLike {
  binaryType: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: never) => void): void;
}

export interface SocketsConformanceOptions {
  /** Where `conformanceRouter()` is served, with `conformanceAuthenticate`. */
  readonly url: string;
  /** The runtime it must run in: the first assertion. */
  readonly runtime: ConformanceRuntime;
  readonly connect: (url: string, protocols?: readonly string[]) => ClientSocketLike;
  /** Speaks in this codec, one of the router's `codecs`. @default JSON, without naming it */
  readonly codec?: Codec;
}

export interface SocketsConformanceReport {
  readonly runtime: string;
  readonly ok: boolean;
  readonly passed: readonly string[];
  readonly violations: readonly { readonly rule: string; readonly detail: string }[];
  /** What was seen per case, without times and ids: the same on every runtime. */
  readonly transcript: Readonly<Record<string, readonly string[]>>;
}

const WAIT_MS = 5000;

/** Members of the payloads of `conformanceRouter`. */
interface Payload {
  readonly text: string;
  readonly code: string;
  readonly sum: number;
  readonly seen: readonly string[];
  readonly runtime: string;
  readonly result: unknown;
  readonly topics: Readonly<Record<string, { readonly status: string }>>;
}

interface Received {
  readonly type: string;
  readonly meta: Record<string, unknown>;
  readonly payload: Payload;
}

interface Client {
  readonly name: string;
  readonly codec: Codec;
  send(frame: unknown): void;
  raw(data: string | Uint8Array): void;
  /** Waits for a frame of the type. */
  frame(type: string): Promise<Received>;
  close(code?: number, reason?: string): void;
  readonly ended: Promise<string>;
  /** Everything seen so far. */
  seen: () => string[];
}

/** Runs the suite. Does not throw for violations. */
export async function runSocketsConformance(options: SocketsConformanceOptions): Promise<SocketsConformanceReport> {
  const transcript: Record<string, string[]> = {};
  const passed: string[] = [];
  const violations: { rule: string; detail: string }[] = [];
  const run = systemRandom.uuid().slice(0, 8);
  let names = 0;
  for (const [rule, steps] of cases) {
    const clients: Client[] = [];
    const open = async (): Promise<Client> => {
      const client = await connect(options, `${run}-${names++}`);
      clients.push(client);
      return client;
    };
    try {
      await steps({ open, options, expect: check });
      passed.push(rule);
    } catch (error) {
      violations.push({ rule, detail: error instanceof Error ? error.message : String(error) });
    }
    transcript[rule] = clients.flatMap((client, i) => client.seen().map((line) => `${i}: ${line}`));
    for (const client of clients) client.close();
    await Promise.all(clients.map((client) => client.ended));
  }
  return { runtime: options.runtime, ok: violations.length === 0, passed, violations, transcript };
}

/** Throws when a rule is violated, naming each. */
export async function assertSocketsConformance(options: SocketsConformanceOptions): Promise<SocketsConformanceReport> {
  const report = await runSocketsConformance(options);
  if (!report.ok) throw new Error(`sockets on ${options.runtime}: ${report.violations.map(({ rule, detail }) => `${rule}: ${detail}`).join("\n")}`);
  return report;
}

function check(actual: unknown, expected: unknown, what: string): void {
  const [one, two] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== two) throw new Error(`${what}: expected ${two}, got ${one}`);
}

async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    const timer = systemClock.setTimeout(() => reject(new Error(`${what}: not within ${WAIT_MS} ms`)), WAIT_MS, true);
    cancel = () => systemClock.clearTimeout(timer);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

async function connect({ url, connect: make, codec: given }: SocketsConformanceOptions, name: string): Promise<Client> {
  const codec = given ?? jsonCodec;
  const to = `${url}${url.includes("?") ? "&" : "?"}name=${name}`;
  const socket = given === undefined ? make(to) : make(to, [PROTOCOL_PREFIX + codec.name]);
  socket.binaryType = "arraybuffer";
  const frames: Received[] = [];
  const lines: string[] = [];
  const waiting: { type: string; take: (frame: Received) => void }[] = [];
  const ended = new Promise<string>((resolve) => socket.addEventListener("close", ((event: { code: number; reason: string }) => {
    const line = `close ${event.code} ${event.reason}`;
    lines.push(line);
    resolve(line);
  }) as never));
  socket.addEventListener("error", (() => undefined) as never);
  socket.addEventListener("message", ((event: { data: unknown }) => {
    const binary = event.data instanceof ArrayBuffer;
    if (binary !== codec.binary) lines.push(`a ${binary ? "binary" : "text"} message`);
    const frame = codec.decode(binary ? new Uint8Array(event.data as ArrayBuffer) : String(event.data)) as Received;
    lines.push(normalise(frame));
    const at = waiting.findIndex(({ type }) => type === frame.type);
    if (at >= 0) waiting.splice(at, 1)[0]?.take(frame);
    else frames.push(frame);
  }) as never);
  await within(new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", (() => resolve()) as never);
    socket.addEventListener("close", (() => reject(new Error("the connection was refused"))) as never);
  }), "open");
  return {
    name,
    codec,
    raw: (data) => socket.send(data),
    send: (frame) => socket.send(codec.encode(frame)),
    frame(type) {
      const at = frames.findIndex((frame) => frame.type === type);
      if (at >= 0) return Promise.resolve(frames.splice(at, 1)[0] as Received);
      return within(new Promise((take) => void waiting.push({ type, take })), `a frame ${type}`);
    },
    close: (code, reason) => socket.close(code, reason),
    ended: ended,
    seen: () => lines.slice(),
  };
}

/** Without what differs from run to run. */
function normalise(frame: { type: string; meta?: Record<string, unknown>; payload?: unknown }): string {
  const { meta } = frame;
  const kept = meta === undefined ? undefined : { ...meta, ...("timestamp" in meta ? { timestamp: typeof meta["timestamp"] } : {}), ...("offset" in meta ? { offset: String(meta["offset"]).replace(/^[^:]+/, "epoch") } : {}) };
  return JSON.stringify({ ...frame, meta: kept }).replace(/"[0-9a-f]{8}:(\d+)"/g, '"epoch:$1"').replace(/[0-9a-f]{8}-\d+/g, "name");
}

interface Case {
  open(): Promise<Client>;
  readonly options: SocketsConformanceOptions;
  expect(actual: unknown, expected: unknown, what: string): void;
}

const call = (id: string, type: string, payload?: unknown, meta: object = {}): object => ({ type, meta: { ...meta, correlationId: id }, ...(payload === undefined ? {} : { payload }) });

const badFrames: readonly [name: string, frame: string, type: string, code: string][] = [
  ["no JSON", "{", "ERROR", "INVALID_ARGUMENT"],
  ["the other kind of message", "", "ERROR", "INVALID_ARGUMENT"],
  ["an array", "[]", "ERROR", "INVALID_ARGUMENT"],
  ["no type", '{"payload":1}', "ERROR", "INVALID_ARGUMENT"],
  ["an unknown root key", '{"type":"ECHO","x":1}', "ERROR", "INVALID_ARGUMENT"],
  ["bad meta", '{"type":"ECHO","meta":7}', "ERROR", "INVALID_ARGUMENT"],
  ["bad meta of a call", '{"type":"ADD","x":1,"meta":{"correlationId":"bad"}}', "RPC_ERROR", "INVALID_ARGUMENT"],
  ["nested too deeply", `{"type":"ECHO","payload":${"[".repeat(65)}${"]".repeat(65)}}`, "ERROR", "INVALID_ARGUMENT"],
  ["an own __proto__", '{"type":"ECHO","payload":{"text":"x","a":{"__proto__":{"polluted":true}}}}', "ERROR", "INVALID_ARGUMENT"],
  ["a reserved type", '{"type":"$ws:open"}', "ERROR", "INVALID_ARGUMENT"],
  ["a malformed abort", '{"type":"$ws:abort"}', "ERROR", "INVALID_ARGUMENT"],
  ["an unknown type", '{"type":"NOPE"}', "ERROR", "UNIMPLEMENTED"],
  ["an unknown call", '{"type":"NOPE","meta":{"correlationId":"bad"}}', "RPC_ERROR", "UNIMPLEMENTED"],
  ["a wrong payload", '{"type":"ECHO","payload":{"text":1}}', "ERROR", "INVALID_ARGUMENT"],
  ["a wrong payload of a call", '{"type":"ADD","meta":{"correlationId":"bad"},"payload":{}}', "RPC_ERROR", "INVALID_ARGUMENT"],
];

/** A bad frame in the words of the codec. */
function spelled(text: string, codec: Codec): string | Uint8Array {
  if (text === "") return codec.binary ? "{}" : new Uint8Array([123, 125]);
  if (!codec.binary) return text;
  // 0xc1 is the one byte that MessagePack never uses.
  return text === "{" ? new Uint8Array([0xc1]) : codec.encode(JSON.parse(text));
}

const cases: readonly (readonly [rule: string, steps: (test: Case) => Promise<void>])[] = [
  ["runtime", async ({ open, options, expect }) => {
    const client = await open();
    client.send(call("r", "RUNTIME"));
    const { payload } = await client.frame("RUNTIME_IS");
    // Kept out of the transcript, which is the same everywhere.
    expect(payload.runtime, options.runtime, "the runtime the router runs in");
    client.seen = () => [];
  }],
  ["frames of onOpen come first", async ({ open, expect }) => {
    const client = await open();
    client.send({ type: "ECHO", payload: { text: "é \u{1f600}" } });
    expect([(await client.frame("ECHOED")).payload.text, (await client.frame("ECHOED")).payload.text], ["welcome", "é \u{1f600}"], "frames");
  }],
  ["messages in order", async ({ open, expect }) => {
    const client = await open();
    await client.frame("ECHOED");
    for (let i = 0; i < 20; i++) client.send({ type: i % 3 === 0 ? "SLOW" : "ECHO", payload: i % 3 === 0 ? { text: `${i}`, turns: 5 } : { text: `${i}` } });
    const got: string[] = [];
    for (let i = 0; i < 20; i++) got.push((await client.frame("ECHOED")).payload.text);
    expect(got, got.map((_, i) => `${i}`), "order");
  }],
  ["a call and its progress", async ({ open, expect }) => {
    const client = await open();
    client.send(call("one", "COUNT", { to: 3 }));
    expect((await client.frame("COUNTED")).meta["correlationId"], "one", "the id");
    client.send(call("two", "ADD", { a: 1, b: 2 }));
    expect((await client.frame("SUM")).payload, { sum: 3 }, "the answer");
  }],
  ["a call is aborted, and one runs out of time", async ({ open, expect }) => {
    const client = await open();
    client.send(call("a", "HANG"));
    client.send({ type: "$ws:abort", meta: { correlationId: "a" } });
    expect((await client.frame("RPC_ERROR")).payload.code, "CANCELLED", "the code");
    client.send(call("b", "HANG", undefined, { timeoutMs: 50 }));
    expect((await client.frame("RPC_ERROR")).payload.code, "DEADLINE_EXCEEDED", "the code");
    client.send(call("h", "HOOKS", { of: client.name }));
    expect((await client.frame("HOOKS_SEEN")).payload.seen, ["open", "cancelled", "cancelled"], "what the handler heard");
  }],
  ["a repeated id joins the call that runs", async ({ open, expect }) => {
    const client = await open();
    for (let i = 0; i < 3; i++) client.send(call("same", "COUNT", { to: 0 }));
    await client.frame("COUNTED");
    client.send(call("last", "ADD", { a: 0, b: 0 }));
    await client.frame("SUM");
    expect(client.seen().filter((line) => line.includes('"COUNTED"')).length >= 1, true, "an answer");
    client.seen = () => [];
  }],
  ...badFrames.map(([name, frame, type, code]) => [`bad input: ${name}`, async ({ open, expect }: Case) => {
    const client = await open();
    await client.frame("ECHOED");
    client.raw(spelled(frame, client.codec));
    const answer = await client.frame(type);
    expect(answer.payload.code, code, "the code");
    client.send({ type: "ECHO", payload: { text: "still here" } });
    expect((await client.frame("ECHOED")).payload.text, "still here", "the connection");
    expect(client.seen().length, 3, "frames in all");
  }] as const),
  ["errors of handlers", async ({ open, expect }) => {
    const client = await open();
    client.send({ type: "FAIL", payload: { how: "throw" } });
    client.send({ type: "FAIL", payload: { how: "own" } });
    expect((await client.frame("ERROR")).payload, { code: "INTERNAL", message: "internal error", retryable: false }, "what is told");
    expect((await client.frame("ERROR")).payload, { code: "NOT_FOUND", message: "nothing here", retryable: false, details: { token: "[redacted]", id: 1 } }, "what is told");
    client.send({ type: "FAIL", payload: { how: "close" } });
    expect(await within(client.ended, "the close"), "close 4321 thrown", "the close");
  }],
  ["a payload over the limit", async ({ open, expect }) => {
    const client = await open();
    client.raw("x".repeat(20_001));
    expect((await client.frame("ERROR")).payload, { code: "RESOURCE_EXHAUSTED", message: "the message is too big", retryable: false, details: { limit: 20_000, observed: 20_001 } }, "what is told");
    client.send({ type: "LARGE", payload: { size: 200_000 } });
    await client.frame("ECHOED");
    expect((await client.frame("ECHOED")).payload.text.length, 200_000, "what the server may send");
    client.seen = () => [];
  }],
  ["a message over the transport's cap closes with 1009", async ({ open, expect }) => {
    const client = await open();
    await client.frame("ECHOED");
    client.raw("x".repeat(60_000));
    expect((await within(client.ended, "the close")).slice(0, 10), "close 1009", "the close");
    client.seen = () => [];
  }],
  ["the close code of the client reaches onClose", async ({ open, expect }) => {
    const [client, other] = [await open(), await open()];
    await client.frame("ECHOED");
    client.close(4001, "so long é");
    await within(client.ended, "the close");
    for (let tries = 0; ; tries++) {
      other.send(call(`h${tries}`, "HOOKS", { of: client.name }));
      const { payload } = await other.frame("HOOKS_SEEN");
      if (payload.seen.length < 2 && tries < 50) continue;
      expect(payload.seen, ["open", "close 4001 so long é"], "hooks");
      break;
    }
    other.seen = () => [];
  }],
  ["everything sent before a close arrives, nothing after it", async ({ open, expect }) => {
    const client = await open();
    client.send({ type: "CLOSE", payload: { code: 4999, reason: "done" } });
    expect(await within(client.ended, "the close"), "close 4999 done", "the close");
    expect(client.seen().map((line) => (line.startsWith("{") ? JSON.parse(line).payload.text : line)), ["welcome", "before the close", "close 4999 done"], "frames");
  }],
  ["topics", async ({ open, expect }) => {
    const [one, two] = [await open(), await open()];
    for (const client of [one, two]) {
      await client.frame("ECHOED");
      client.send({ type: "SUBSCRIBE", payload: { topic: "room:1" } });
      await client.frame("ECHOED");
    }
    one.send(call("p", "PUBLISH", { topic: "room:1", text: "hi", excludeSelf: true }));
    expect((await one.frame("PUBLISHED")).payload.result, { ok: true, matched: 1 }, "the result");
    expect((await two.frame("ECHOED")).meta["topic"], "room:1", "the topic");
    one.send({ type: "SUBSCRIBE", payload: { topic: "secret" } });
    expect((await one.frame("ERROR")).payload.code, "PERMISSION_DENIED", "denied");
    one.send({ type: "SUBSCRIBE", payload: { topic: "no way" } });
    expect((await one.frame("ERROR")).payload.code, "INVALID_ARGUMENT", "no topic");
    one.send(call("q", "PUBLISH", { topic: "read-only", text: "hi", excludeSelf: false }));
    expect((await one.frame("PUBLISHED")).payload.result, { ok: false, error: "ACL_PUBLISH" }, "the result");
  }],
  ["history and resume", async ({ open, expect }) => {
    const [one, two] = [await open(), await open()];
    await two.frame("ECHOED");
    const topic = `kept:${one.name}`;
    await one.frame("ECHOED");
    one.send({ type: "SUBSCRIBE", payload: { topic } });
    await one.frame("ECHOED");
    const offsets: string[] = [];
    for (let i = 1; i <= 3; i++) {
      one.send(call(`p${i}`, "PUBLISH", { topic, text: `${i}`, excludeSelf: false }));
      offsets.push((await one.frame("ECHOED")).meta["offset"] as string);
    }
    two.send({ type: "$ws:resume", payload: { topics: { [topic]: offsets[0] } } });
    expect((await two.frame("$ws:resumed")).payload.topics[topic]?.status, "ok", "the status");
    expect([(await two.frame("ECHOED")).payload.text, (await two.frame("ECHOED")).payload.text], ["2", "3"], "what was missed");
  }],
  ["heartbeat, byte for byte", async ({ open, expect }) => {
    const client = await open();
    await client.frame("ECHOED");
    if (client.codec.binary) client.send({ type: "__heartbeat" });
    else client.raw('{"type":"__heartbeat"}');
    await client.frame("__heartbeat_ack");
    expect(client.seen().at(-1), '{"type":"__heartbeat_ack"}', "the ack");
  }],
];
