/** The page of the wire, played against a served router: each of its exchanges is a fixture. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { serve } from "../../src/node.ts";
import { conformanceAuthenticate, conformanceRouter } from "../../src/testing.ts";

const page = readFileSync(new URL("../../docs/sockets-protocol.md", import.meta.url), "utf8");
const exchanges = [...page.matchAll(/```wire\n([\s\S]*?)```/g)].map(([, text]) => (text as string).trim().split("\n"));

/** Without what differs from run to run. */
const normalise = (text: string): string => text.replace(/"timestamp":\d+/g, '"timestamp":0').replace(/"offset":"[^":]+:/g, '"offset":"E:');

describe("the page of the wire", () => {
  it("says what is sent, frame for frame", async () => {
    expect(exchanges.length).toBeGreaterThanOrEqual(9);
    await using server = await serve(conformanceRouter(), { port: 0, authenticate: conformanceAuthenticate });
    const socket = new WebSocket(`${server.url}?name=page`);
    const got: string[] = [];
    let wake = (): void => undefined;
    socket.on("message", (data) => (got.push(normalise(String(data))), wake()));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const next = async (): Promise<string> => {
      while (got.length === 0) await new Promise<void>((resolve) => void (wake = resolve));
      return got.shift() as string;
    };
    expect(JSON.parse(await next()).payload).toEqual({ text: "welcome" });
    for (const lines of exchanges) {
      for (const line of lines) {
        if (line.startsWith("> ")) socket.send(line.slice(2));
        else expect(await next()).toBe(line.slice(2));
      }
    }
    // Nothing was left over: the answer to this is the next frame.
    socket.send('{"type":"RUNTIME","meta":{"correlationId":"last"}}');
    expect(JSON.parse(await next())).toMatchObject({ type: "RUNTIME_IS", meta: { correlationId: "last" } });
    socket.terminate();
  });
});
