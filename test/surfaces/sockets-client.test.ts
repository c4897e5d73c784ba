import { once } from "node:events";
import { createServer as tcpServer, connect as tcp, type Socket, type AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { serve } from "../../src/node.ts";
import { createRouter, message, rpc } from "../../src/sockets.ts";
import { type ClientOptions, createClient } from "../../src/sockets-client.ts";
import { datedToken } from "../../src/sockets/client/token.ts";
import { serverBinary } from "../servers/process.ts";

const Say = message("SAY", { text: z.string() });
const Join = rpc("JOIN", { topic: z.string() }, "JOINED");
const Add = rpc("ADD", { a: z.number(), b: z.number() }, "SUM", { sum: z.number() });
const Hang = rpc("HANG", undefined, "NEVER");
const Count = rpc({ req: { type: "COUNT", payload: z.number() }, res: { type: "COUNTED" }, progress: z.number() });

function laboratory() {
  const log: string[] = [];
  const router = createRouter({ logger: false, limits: { connectionRate: false }, topics: { history: {} } })
    .on(Say, ({ payload }) => void log.push(payload.text))
    .rpc(Join, async (ctx) => void (await ctx.topics.subscribe(ctx.payload.topic)))
    .rpc(Add, ({ payload }) => (log.push(`add ${payload.a}`), { sum: payload.a + payload.b }))
    .rpc(Hang, (ctx) => new Promise<void>(() => ctx.onCancel(() => void log.push("cancelled"))), { ordered: false })
    .rpc(Count, async function* ({ payload }) {
      for (let i = 0; i < payload; i++) yield i;
    });
  return { router, log };
}

/** A wire that can be cut. */
async function wire(port: number) {
  const open = new Set<Socket>();
  let up = true;
  const server = tcpServer((client) => {
    if (!up) return void client.destroy();
    const upstream = tcp(port, "127.0.0.1");
    for (const [one, two] of [[client, upstream], [upstream, client]] as const) {
      open.add(one);
      one.on("error", () => undefined).on("close", () => (open.delete(one), two.destroy())).pipe(two);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() { up = false; for (const socket of open) socket.destroy(); },
    mend() { up = true; },
    close() { server.close(); for (const socket of open) socket.destroy(); },
  };
}

const wsFactory: ClientOptions["wsFactory"] = (url, protocols, headers) => new WebSocket(url, [...protocols], { headers }) as never;
const fast = { initialDelayMs: 5, maxDelayMs: 20 };
const until = async (test: () => boolean): Promise<void> => {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe("the client", () => {
  it("sends, asks, follows progress, gives up", async () => {
    const { router, log } = laboratory();
    await using server = await serve(router, { port: 0, anonymous: true });
    const client = createClient({ url: server.url, wsFactory });
    expect(client.send(Say, { text: "early" })).toEqual({ ok: false, error: "CLOSED" });
    await Promise.all([client.connect(), client.connect()]);
    expect(server.connections).toBe(1);
    expect(client.send(Say, { text: "hi" })).toEqual({ ok: true });
    await expect(client.request(Add, { a: 1, b: 2 })).resolves.toEqual({ sum: 3 });
    await expect(client.request(Add, { a: "x" as never, b: 2 })).rejects.toMatchObject({ name: "ValidationError" });
    const call = client.request(Count, 3);
    const items: number[] = [];
    for await (const item of call.progress()) items.push(item);
    await call;
    expect(items).toEqual([0, 1, 2]);
    await expect(client.request(Hang, undefined, { timeoutMs: 20 })).rejects.toMatchObject({ name: "TimeoutError", sent: true });
    const given = client.request(Hang);
    given.cancel();
    await expect(given).rejects.toMatchObject({ name: "AbortError" });
    await until(() => log.filter((line) => line === "cancelled").length === 2);
    const first = client.request(Hang, undefined, { correlationId: "mine" });
    await expect(client.request(Hang, undefined, { correlationId: "mine" })).rejects.toMatchObject({ name: "ValidationError" });
    const gone = expect(first).rejects.toMatchObject({ name: "DisconnectedError" });
    await client.close();
    await gone;
    expect([client.state, client.send(Say, { text: "late" })]).toEqual(["closed", { ok: false, error: "CLOSED" }]);
    expect(log.filter((line) => line !== "cancelled")).toEqual(["hi", "add 1"]);
  });

  it("comes back over a cut wire with what was missed, once, and sends nothing that was rejected", async () => {
    const { router, log } = laboratory();
    await using server = await serve(router, { port: 0, anonymous: true });
    const line = await wire(server.port);
    const client = createClient({ url: line.url, wsFactory, reconnect: fast });
    const events: string[] = [];
    const heard: string[] = [];
    client.on("connected", ({ resumed }) => void events.push(`connected ${resumed}`));
    client.on("gap", ({ topic }) => void events.push(`gap ${topic}`));
    client.on(Say, ({ payload }) => void heard.push(payload.text));
    await client.connect();
    await client.request(Join, { topic: "a" });
    await router.publish("a", Say, { text: "1" });
    await until(() => heard.length === 1);
    const inFlight = expect(client.request(Hang)).rejects.toMatchObject({ name: "DisconnectedError", sent: true });
    await client.request(Add, { a: 0, b: 0 });
    line.cut();
    await inFlight;
    await until(() => client.state === "reconnecting");
    for (const text of ["2", "3"]) await router.publish("a", Say, { text });
    expect(client.send(Say, { text: "queued" })).toEqual({ ok: true });
    await expect(client.request(Add, { a: 666, b: 0 }, { timeoutMs: 30 })).rejects.toMatchObject({ name: "TimeoutError", sent: false });
    const waiting = client.request(Add, { a: 7, b: 0 });
    line.mend();
    await expect(waiting).resolves.toEqual({ sum: 7 });
    await router.publish("a", Say, { text: "4" });
    await until(() => heard.length === 4);
    expect(heard).toEqual(["1", "2", "3", "4"]);
    expect(events).toEqual(["connected false", "connected true"]);
    expect(log.filter((text) => text !== "cancelled")).toEqual(["add 0", "queued", "add 7"]);
    await client.close();
    line.close();
  });

  it("asks for a fresh token each time, once more when refused, and then says so", async () => {
    const { router } = laboratory();
    let accepts = "t2";
    await using server = await serve(router, { port: 0, authenticate: (_request, { token }) => (token === accepts ? {} : undefined) });
    for (const attach of ["query", "protocol", "header"] as const) {
      let asked = 0;
      const client = createClient({ url: server.url, wsFactory, reconnect: fast, auth: { attach, getToken: async () => `t${++asked}` } });
      await expect(client.connect()).rejects.toMatchObject({ code: "DISCONNECTED" });
      await until(() => client.state === "open");
      expect(asked).toBe(2);
      await client.close();
    }
    accepts = "never";
    const client = createClient({ url: server.url, wsFactory, reconnect: { ...fast, maxAttempts: 2 }, auth: { getToken: () => "t" } });
    const closed = new Promise((resolve) => client.on("closed", resolve));
    await client.connect().catch(() => undefined);
    await expect(closed).resolves.toMatchObject({ final: true });
    expect(client.state).toBe("closed");
  });

  it("close wins over a token that is on its way", async () => {
    let give: (token: string) => void = () => undefined;
    let made = 0;
    const client = createClient({ url: "ws://127.0.0.1:1", wsFactory: (...given) => (made++, wsFactory!(...given)), auth: { getToken: () => new Promise<string>((resolve) => (give = resolve)) } });
    const connecting = expect(client.connect()).rejects.toThrow();
    await client.close();
    give("late");
    await connecting;
    expect([client.state, made]).toEqual(["closed", 0]);
  });

  it("is small, and runs in a browser", async () => {
    const bundle = await rolldown({ input: "entry", plugins: [{ name: "entry", resolveId: (id) => (id === "entry" ? id : undefined), load: (id) => (id === "entry" ? `export { createClient } from ${JSON.stringify(fileURLToPath(new URL("../../dist/sockets-client.js", import.meta.url)))};` : undefined) }], logLevel: "silent" });
    const { output } = await bundle.generate({ format: "esm", minify: true });
    const { code } = output[0];
    const bytes = gzipSync(code).length;
    console.log(`client bundle: ${bytes} bytes gzip`);
    expect(bytes).toBeLessThanOrEqual(8192);
    const { router } = laboratory();
    const page = `<script type="module">import { createClient } from "/client.js"; globalThis.createClient = createClient;</script>`;
    await using server = await serve(router, {
      port: 0, anonymous: true,
      fetch: (request) => (request.url.endsWith("client.js") ? new Response(code, { headers: { "content-type": "text/javascript" } }) : new Response(page, { headers: { "content-type": "text/html" } })),
    });
    const browser = await chromium.launch({ executablePath: serverBinary("chromium", "chromium"), args: ["--no-sandbox"] });
    try {
      const tab = await browser.newPage();
      await tab.goto(server.url.replace("ws", "http"));
      await tab.waitForFunction("globalThis.createClient !== undefined");
      const seen = await tab.evaluate(`(async () => {
        const client = createClient({ url: ${JSON.stringify(server.url)} });
        await client.connect();
        const heard = [];
        client.on({ type: "SAY", kind: "event" }, ({ payload }) => heard.push(payload.text));
        const any = { "~standard": null };
        const check = (value) => ({ value });
        await client.request({ type: "JOIN", kind: "rpc", payload: check, response: {} }, { topic: "a" });
        const { sum } = await client.request({ type: "ADD", kind: "rpc", payload: check, response: { payload: check } }, { a: 2, b: 3 });
        globalThis.heard = heard;
        return sum;
      })()`);
      expect(seen).toBe(5);
      await router.publish("a", Say, { text: "to the browser" });
      await tab.waitForFunction("globalThis.heard.length === 1");
      expect(await tab.evaluate("globalThis.heard[0]")).toBe("to the browser");
    } finally {
      await browser.close();
    }
  });
});

describe("a token that ends", () => {
  it("is replaced on the live connection before it does, asked for again when that fails, and not after the close", async () => {
    const seen: string[] = [];
    const { router } = laboratory();
    const server = await serve(router, {
      port: 0,
      authenticate: (_request, { token }) => (seen.push(`open ${token}`), { token }),
      reauthenticate: (token) => (seen.push(`refresh ${token}`), { token }),
    });
    let given = 0;
    const getToken = () => {
      given++;
      if (given === 3) throw new Error("nobody there");
      return { token: `t${given}`, expiresAt: Date.now() + 1100 };
    };
    const failures: unknown[] = [];
    const client = createClient({ url: server.url, wsFactory, auth: { getToken, refreshBeforeMs: 1000 } });
    client.on("auth", ({ error }) => void failures.push(error));
    await client.connect();
    await until(() => seen.length === 3);
    expect(seen).toEqual(["open t1", "refresh t2", "refresh t4"]);
    expect(failures).toHaveLength(1);
    await client.close();
    const asked = given;
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(given).toBe(asked);
    await server.close({ drainMs: 100 });
  });

  it("says itself when it ends, if it is a JWT", () => {
    const claims = (text: string): string => `x.${Buffer.from(text).toString("base64url")}.y`;
    expect(datedToken(claims('{"exp":1795824841,"sub":"é"}'))).toEqual({ token: claims('{"exp":1795824841,"sub":"é"}'), expiresAt: 1_795_824_841_000 });
    for (const token of ["opaque", claims("{}"), claims('{"exp":"soon"}'), claims("rubbish"), "a.b.c", ""]) expect(datedToken(token)).toEqual({ token });
    expect(datedToken({ token: "t", expiresAt: 5 })).toEqual({ token: "t", expiresAt: 5 });
  });
});
