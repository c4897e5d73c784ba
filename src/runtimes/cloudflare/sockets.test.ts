/** Hibernating sockets over a storage that fails: what a real one does on no request. */

import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { z } from "zod";
import { message } from "../../sockets/message.ts";
import { createRouter } from "../../sockets/router.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { createDurableObjectHandler } from "./sockets.ts";

beforeAll(() => vi.stubGlobal("WebSocketRequestResponsePair", class {}));
afterAll(() => vi.unstubAllGlobals());

const Grow = message("GROW", { bytes: z.number() });
const Leave = message("LEAVE");
const LARGE = 20_000;

function socketOf(attachment: object) {
  let kept: unknown = attachment;
  const socket = {
    readyState: 1,
    closes: [] as [number | undefined, string | undefined][],
    close(code?: number, reason?: string) {
      socket.closes.push([code, reason]);
      socket.readyState = 2;
    },
    send: () => undefined,
    serializeAttachment: (value: unknown) => void (kept = structuredClone(value)),
    deserializeAttachment: () => kept,
  };
  return socket;
}

function objectOf(sockets: ReturnType<typeof socketOf>[], fails: { get?: number; put?: boolean; delete?: boolean } = {}) {
  const stored = new Map<string, unknown>();
  const failures: [code: string, message: string][] = [];
  let opened = 0;
  const storage = {
    async get(key: string) {
      if ((fails.get ?? 0) > 0) {
        fails.get!--;
        throw new Error("storage is away");
      }
      return stored.get(key);
    },
    async put(key: string, value: unknown) {
      if (fails.put === true) throw new RangeError("values cannot be larger than 131072 bytes");
      stored.set(key, value);
    },
    async delete(key: string) {
      if (fails.delete === true) throw new Error("storage is away");
      return stored.delete(key);
    },
    list: async () => new Map(),
    getAlarm: async () => null,
    setAlarm: async () => undefined,
    deleteAlarm: async () => undefined,
  };
  const state = { acceptWebSocket: () => undefined, getWebSockets: () => sockets, setWebSocketAutoResponse: () => undefined, getWebSocketAutoResponseTimestamp: () => null, storage };
  const clock = manualClock();
  const router = createRouter({ logger: false, clock })
    .onError((error, ctx) => void failures.push([ctx.code as string, (error as Error).message]))
    .on(Leave, (ctx) => ctx.close(4000, "bye"))
    .on(Grow, (ctx) => {
      opened++;
      ctx.assignData({ text: "x".repeat(ctx.payload.bytes) });
    });
  const handler = createDurableObjectHandler({ router, state: state as never, anonymous: true });
  const grow = (socket: object, bytes: number): Promise<void> => handler.webSocketMessage(socket, JSON.stringify({ type: "GROW", payload: { bytes } }));
  return { handler, grow, clock, stored, failures, get handled() { return opened; } };
}

it("a storage that fails while the object wakes is asked again at the next event, and no socket is taken over twice", async () => {
  const [small, large] = [socketOf({ id: "a" }), socketOf({ id: "b", stored: true })];
  const object = objectOf([small, large], { get: 1 });
  object.stored.set("sluice:socket:b", { id: "b", data: {} });
  await expect(object.grow(small, 1)).rejects.toThrow("storage is away");
  await object.grow(small, 1);
  await object.grow(large, 1);
  expect(object.handled).toBe(2);
  expect([small.closes, large.closes, object.failures]).toEqual([[], [], []]);
});

it("what the storage does not take is reported, and its connection is closed", async () => {
  const socket = socketOf({ id: "a" });
  const object = objectOf([socket], { put: true });
  await object.grow(socket, LARGE);
  await vi.waitFor(() => expect(socket.closes).toEqual([[1011, "state not stored"]]));
  expect(object.failures).toEqual([["STORAGE", expect.stringContaining("131072")]]);
});

it("a socket whose record is missing is closed, and not somebody without a name", async () => {
  const socket = socketOf({ id: "a", stored: true });
  const object = objectOf([socket]);
  await object.grow(socket, 1);
  expect([object.handled, socket.closes]).toEqual([0, [[1011, "state not stored"]]]);
  expect(object.failures).toEqual([["STORAGE", expect.stringContaining("connection a")]]);
});

it("records are deleted when data becomes small, when the socket closes, and when it is given up", async () => {
  const sockets = ["a", "b", "c"].map((id) => socketOf({ id }));
  const object = objectOf(sockets);
  for (const socket of sockets) await object.grow(socket, LARGE);
  expect(object.stored.size).toBe(3);
  await object.grow(sockets[0]!, 1);
  await object.handler.webSocketClose(sockets[1]!, 1000, "");
  expect([...object.stored.keys()]).toEqual(["sluice:socket:c"]);
  // Its client does not answer the close.
  await object.handler.webSocketMessage(sockets[2]!, JSON.stringify({ type: "LEAVE" }));
  await object.clock.advanceAsync(60_000);
  expect([...object.stored.keys()]).toEqual([]);
});

it("a delete that fails is reported and ends nothing", async () => {
  const socket = socketOf({ id: "a" });
  const object = objectOf([socket], { delete: true });
  await object.grow(socket, LARGE);
  await object.grow(socket, 1);
  await vi.waitFor(() => expect(object.failures).toEqual([["STORAGE", "storage is away"]]));
  expect(socket.closes).toEqual([]);
});
