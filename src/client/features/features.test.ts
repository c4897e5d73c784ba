import { afterEach, describe, expect, it, vi } from "vitest";
import { memoryStore } from "../../memory.ts";
import { mockAdapter } from "../../testing/mock-adapter.ts";
import { bearer } from "../auth/simple.ts";
import type { SeamConfig, StitchConfig } from "../config.ts";
import type { StitchEvent } from "../events.ts";
import { seam } from "../seam.ts";
import { features as eager } from "./eager.ts";
import type { Features } from "./features.ts";
import { features as lazy } from "./lazy.ts";

const FAILED = { code: "LOAD_FAILED", sent: false, retryable: true };

describe("a part of the client that a page loads on demand", () => {
  afterEach(() => {
    vi.doUnmock("../pages.ts");
    vi.restoreAllMocks();
  });

  it("fails with a code when it does not come, and is asked for again", async () => {
    vi.doMock("../pages.ts", () => {
      throw new TypeError("Failed to fetch dynamically imported module");
    });
    await expect(lazy.pages()).rejects.toMatchObject({ name: "StitchError", ...FAILED, cause: expect.any(Error) as Error });
    vi.doUnmock("../pages.ts");
    expect(await lazy.pages()).toHaveProperty("iteratePages");
  });

  /** The parts as a page has them, while they do not load. */
  function page(): { offline: boolean } {
    const state = { offline: true };
    for (const name of Object.keys(eager) as (keyof Features)[]) {
      const part = eager[name]();
      vi.spyOn(eager, name).mockImplementation((() => (state.offline ? lazyFailure() : Promise.resolve(part))) as never);
    }
    return state;
  }

  /** What `lazy.ts` makes of a chunk that does not load. */
  async function lazyFailure(): Promise<never> {
    vi.doMock("../pages.ts", () => {
      throw new TypeError("Failed to fetch dynamically imported module");
    });
    return (await lazy.pages()) as never;
  }

  it.each<[string, Partial<StitchConfig>, Partial<SeamConfig>?]>([
    ["cache", { cache: 1000 }],
    ["throttle", { throttle: "100/s" }],
    ["throttle of the seam", {}, { throttle: "100/s" }],
    ["circuit", { circuit: {} }],
    ["cache, throttle and circuit in a store", { cache: 1000, throttle: "100/s", circuit: {} }, { store: memoryStore() }],
    ["auth", { auth: bearer("secret") }],
    ["templates", { path: "/{a}{?list*}" }],
    ["pages", { paginate: { next: () => undefined } }],
  ])("is asked for again by the next call: %s", async (_name, config, shared = {}) => {
    const state = page();
    await using api = seam({ name: "api", baseUrl: "https://api.test", adapter: mockAdapter([{ respond: { body: [1] } }]), ...shared });
    const call = api.stitch({ name: "call", path: "/{a}", ...config } as never);
    const input = { params: { a: 1, list: ["x"] } } as never;
    expect(await call(input).safe()).toMatchObject({ ok: false, error: { ...FAILED, stitch: "call" } });
    state.offline = false;
    expect(await call(input).safe()).toMatchObject({ ok: true });
  });

  it("is asked for again by sinks, which cost no call when they are not there", async () => {
    const state = page();
    const seen: StitchEvent["type"][] = [];
    await using api = seam({ baseUrl: "https://api.test", adapter: mockAdapter([{ respond: { body: 1 } }]), trace: { handle: ({ type }) => void seen.push(type) } });
    const call = api.stitch("/a");
    expect(await call()).toBe(1);
    expect(seen).toEqual([]);
    state.offline = false;
    expect(await call()).toBe(1);
    expect(seen).toContain("done");
  });

  it("does not make inspect reject", async () => {
    page();
    await using api = seam({ baseUrl: "https://api.test", adapter: mockAdapter([]) });
    expect(await api.stitch("/a").inspect()).toEqual({ ok: false, error: expect.objectContaining(FAILED) as Error, findings: [], attempts: 0, elapsedMs: 0, waitedMs: 0, source: "live" });
  });
});
