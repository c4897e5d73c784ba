import { fileURLToPath } from "node:url";
import { decode, encode } from "@msgpack/msgpack";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { topicToDoName } from "../../src/state/pubsub/topic-to-do-name.ts";
import { getShardedDoId } from "../../src/runtimes/cloudflare/sockets-sharding.ts";
import { jsonCodec, msgpackCodec } from "../../src/sockets.ts";
import { runSocketsConformance } from "../../src/testing.ts";
import { fuzzSocket } from "./fuzz/socket-frames.ts";

// Its types need packages it does not bring.
const { Miniflare } = (await import("miniflare" as string)) as any;
const dist = (file: string): string => JSON.stringify(fileURLToPath(new URL(`../../dist/${file}`, import.meta.url)));
const source = `
import { decode, encode } from "@msgpack/msgpack";
import { SocketsDO, createDurableObjectHandler } from ${dist("cloudflare.js")};
import { jsonCodec, msgpackCodec } from ${dist("sockets.js")};
import { conformanceAuthenticate, conformanceRouter } from ${dist("sockets/testing/conformance-router.js")};
const codecs = [jsonCodec, msgpackCodec({ decode, encode })];
const classicRouter = conformanceRouter({ codecs });
let constructed = 0;
export class Hibernating extends SocketsDO(conformanceRouter({ codecs }), { authenticate: conformanceAuthenticate }) {
  constructor(state, env) { super(state, env); this.constructed = ++constructed; }
  async fetch(request) { return new URL(request.url).pathname === "/constructed" ? new Response(String(constructed)) : super.fetch(request); }
}
export class Classic {
  fetch(request) { return createDurableObjectHandler({ router: classicRouter, authenticate: conformanceAuthenticate }).fetch(request); }
}
export default { fetch(request, env) {
  const url = new URL(request.url);
  const namespace = url.searchParams.get("kind") === "classic" ? env.CLASSIC : env.HIBERNATING;
  return namespace.get(namespace.idFromName(url.searchParams.get("object") ?? "one")).fetch(request);
} };`;

async function start() {
  const entry = fileURLToPath(new URL("sockets-entry.js", import.meta.url));
  const bundle = await rolldown({ input: entry, platform: "neutral", external: [/^node:/, /^cloudflare:/, "undici"], resolve: { conditionNames: ["workerd", "import", "default"], mainFields: ["module", "main"] }, plugins: [{ name: "entry", resolveId: (id) => (id === entry ? id : undefined), load: (id) => (id === entry ? source : undefined) }], logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm" });
  const miniflare = new Miniflare({ modules: [{ type: "ESModule", path: "worker.mjs", contents: output[0].code }], compatibilityDate: "2026-04-01", durableObjects: { HIBERNATING: "Hibernating", CLASSIC: "Classic" } });
  const url = (await miniflare.ready).href.replace("http", "ws");
  return { miniflare, url, [Symbol.asyncDispose]: () => miniflare.dispose() };
}

const opened = async (url: string): Promise<{ socket: WebSocket; frames: any[] }> => {
  const socket = new WebSocket(url);
  const frames: any[] = [];
  socket.on("message", (data) => frames.push(JSON.parse(String(data))));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { socket, frames };
};
const until = async (test: () => boolean): Promise<void> => {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe("sockets in a Durable Object", () => {
  it.each(["hibernating", "classic"])("conform: %s", async (kind) => {
    await using server = await start();
    const url = `${server.url}?kind=${kind}`;
    for (const codec of [undefined, msgpackCodec({ decode, encode })]) {
      const report = await runSocketsConformance({ url, runtime: "workerd", connect: (to, protocols) => new WebSocket(to, [...(protocols ?? [])]) as never, ...(codec === undefined ? {} : { codec }) });
      expect([codec?.name, report.violations]).toEqual([codec?.name, []]);
    }
    for (const codec of [jsonCodec, msgpackCodec({ decode, encode: (value) => encode(value, { maxDepth: 1000 }) })]) {
      const found = await fuzzSocket({ url, codec, frames: 200, seed: Number(process.env["SLUICE_SEED"] ?? 7) });
      expect(found.failures, `seed ${found.seed}`).toEqual([]);
      expect(found.answered).toBeGreaterThan(130);
    }
  });

  it("without state never reach the sockets of another object", async () => {
    await using server = await start();
    const [one, two] = await Promise.all(["a", "b"].map((object) => opened(`${server.url}?name=n&kind=classic&object=${object}`)));
    for (const { socket, frames } of [one!, two!]) {
      socket.send('{"type":"SUBSCRIBE","payload":{"topic":"t"}}');
      await until(() => frames.length === 2);
    }
    one!.socket.send('{"type":"PUBLISH","meta":{"correlationId":"p"},"payload":{"topic":"t","text":"x"}}');
    await until(() => one!.frames.some(({ type }) => type === "PUBLISHED"));
    expect(one!.frames.find(({ type }) => type === "PUBLISHED").payload.result).toEqual({ ok: true, matched: 1 });
    expect(two!.frames).toHaveLength(2);
    for (const { socket } of [one!, two!]) socket.terminate();
  });

  it("sleep, and know everybody when they wake", async () => {
    await using server = await start();
    const [one, two] = [await opened(`${server.url}?name=one`), await opened(`${server.url}?name=two`)];
    one.socket.send('{"type":"SUBSCRIBE","payload":{"topic":"t"}}');
    await until(() => one.frames.length === 2);
    const publish = (text: string, id: string): void => two.socket.send(JSON.stringify({ type: "PUBLISH", meta: { correlationId: id }, payload: { topic: "kept:a", text } }));
    publish("before", "k1");
    publish("asleep", "k2");
    await until(() => two.frames.some(({ meta }) => meta.correlationId === "k2"));
    const constructed = async (): Promise<number> => Number(await (await fetch(server.url.replace("ws", "http") + "constructed")).text());
    expect(await constructed()).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 13_000));
    two.socket.send('{"type":"PUBLISH","meta":{"correlationId":"p"},"payload":{"topic":"t","text":"after"}}');
    await until(() => two.frames.some(({ meta }) => meta.correlationId === "p"));
    expect(two.frames.find(({ meta }) => meta.correlationId === "p").payload.result).toEqual({ ok: true, matched: 1 });
    await until(() => one.frames.some(({ payload }) => payload?.text === "after"));
    expect(one.frames.filter(({ payload }) => payload?.text === "welcome")).toHaveLength(1);
    // Numbers go on where they were, and what was published in the former life is still there.
    publish("awake", "k3");
    await until(() => two.frames.some(({ meta }) => meta.correlationId === "k3"));
    const three = await opened(`${server.url}?name=three`);
    three.socket.send('{"type":"$ws:resume","payload":{"topics":{"kept:a":"none:0"}}}');
    await until(() => three.frames.filter(({ meta }) => meta.topic === "kept:a").length === 3);
    const kept = three.frames.filter(({ meta }) => meta.topic === "kept:a");
    expect(kept.map(({ payload }) => payload.text)).toEqual(["before", "asleep", "awake"]);
    const [epoch] = kept[0].meta.offset.split(":");
    expect(kept.map(({ meta }) => meta.offset)).toEqual([`${epoch}:1`, `${epoch}:2`, `${epoch}:3`]);
    const four = await opened(`${server.url}?name=four`);
    four.socket.send(JSON.stringify({ type: "$ws:resume", payload: { topics: { "kept:a": `${epoch}:1` } } }));
    await until(() => four.frames.some(({ meta }) => meta.offset === `${epoch}:3`));
    expect(four.frames.find(({ type }) => type === "$ws:resumed").payload.topics["kept:a"]).toEqual({ status: "ok", offset: `${epoch}:3` });
    for (const { socket } of [one, two, three, four]) socket.terminate();
  });

  it("are named as the plain function names them", () => {
    const plain = (topic: string, shards: number): string => {
      let hash = 0;
      for (let i = 0; i < topic.length; i++) {
        hash = (hash << 5) - hash + topic.charCodeAt(i);
        hash = hash | 0;
      }
      return `ws-router-${(hash >>> 0) % shards}`;
    };
    for (let i = 0; i < 500; i++) expect(topicToDoName(`room:${i}é\u{1f600}`, 1 + (i % 17))).toBe(plain(`room:${i}é\u{1f600}`, 1 + (i % 17)));
    for (const shards of [0, -1, 1.5, Number.NaN, "3" as never]) expect(() => topicToDoName("a", shards)).toThrow(RangeError);
    expect(() => getShardedDoId({}, "a", 2)).toThrow(/ROUTER/);
  });
});
