/** `sluice asyncapi`: the messages of a router in a file, as a user runs it. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const run = promisify(execFile);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-asyncapi-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const sluice = async (source: string, ...flags: string[]): Promise<{ stdout: string; stderr: string; code: number }> => {
  const file = join(folder, "chat.ts");
  writeFileSync(file, source);
  try {
    return { ...(await run(process.execPath, [main, "asyncapi", file, ...flags])), code: 0 };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
};

describe("sluice asyncapi", () => {
  it("prints channels, operations, replies and schemas of the router", async () => {
    const { stdout } = await sluice(`
      import { createRouter, message, rpc, z } from "sluice/sockets/zod";
      const Say = message("SAY", { text: z.string() });
      const Add = rpc("ADD", { a: z.number() }, "SUM", { sum: z.number() });
      const router = createRouter().on(Say, () => undefined).rpc(Add, ({ payload }) => ({ sum: payload.a }));
      export default router;
    `, "--title", "Chat", "--api-version", "2.1.0");
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ asyncapi: "3.0.0", info: { title: "Chat", version: "2.1.0" }, operations: { on_SAY: { action: "receive" }, on_ADD: { reply: { messages: [{ $ref: "#/channels/socket/messages/SUM" }, { $ref: "#/channels/socket/messages/RPC_ERROR" }] } } } });
    expect(document.channels.socket.messages.SAY.payload.properties.payload).toMatchObject({ type: "object", properties: { text: { type: "string" } } });
    // Every reference leads somewhere.
    const refs = [...stdout.matchAll(/"\$ref": "#\/([^"]+)"/g)].map(([, path]) => (path as string).split("/"));
    expect(refs.length).toBeGreaterThan(4);
    for (const path of refs) expect(path.reduce((at: any, key) => at?.[key], document), path.join("/")).toBeDefined();
  });

  it("says what is wrong with a file", async () => {
    const missing = await sluice("export const x = 1;");
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/exports no router/)]);
    const broken = await sluice("export default createRouter(");
    expect(broken.code).toBe(1);
    expect(broken.stdout).toBe("");
  });
});
