/** Deadlines in workerd, where a timer ends with the request that set it. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { type Workerd, startWorkerd } from "../../servers/workerd.ts";

const source = `
import { cache, createGateway } from "sluice/gateway";
import { guard } from "sluice/state";

const store = { name: "kv" };
const shared = guard(store, { timeoutMs: 600, threshold: 1000 });
const never = () => new Promise(() => {});
const hungStore = { get: never, put: never, delete: never };
const gateway = createGateway({
  stores: { timeoutMs: 600 },
  routes: [{ path: "/*", pipeline: { policies: [cache({ store: hungStore, failMode: "open" })], upstream: { type: "handler", handler: () => new Response("from upstream") } } }],
});

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/short") {
      await shared.call("get", () => new Promise((resolve) => setTimeout(resolve, 150)));
      return new Response("short");
    }
    if (pathname === "/hung") {
      return new Response(await shared.call("get", never).then(() => "answered", (error) => error.code));
    }
    return gateway.fetch(request);
  },
};
`;

let workerd: Workerd;
beforeAll(async () => {
  workerd = await startWorkerd({ entry: { source } });
});
afterAll(() => workerd.stop());

const text = async (path: string): Promise<string> => (await workerd.fetch(path)).text();

it("hold for a call that began beside one whose request has ended", async () => {
  // Once to compile, so that both requests below are on their way at the same time.
  expect(await text("/short")).toBe("short");
  for (let round = 0; round < 3; round++) {
    const short = text("/short");
    // The first one sets the timer, and takes it along when it ends.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const hung = Promise.all(Array.from({ length: 5 }, () => text("/hung")));
    expect(await short).toBe("short");
    expect(await hung).toEqual(Array.from({ length: 5 }, () => "STORE_TIMEOUT"));
  }
});

it("let a gateway go on without a store that hangs, request beside request", async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i * 40));
    return text(`/page-${i}`);
  }));
  expect(answers).toEqual(Array.from({ length: 12 }, () => "from upstream"));
});
