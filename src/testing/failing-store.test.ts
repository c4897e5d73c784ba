import { describe, expect, it } from "vitest";
import { failingStore } from "./failing-store.ts";
import { manualClock } from "./manual-clock.ts";

class Counter {
  readonly label = "counter";
  #n = 0;

  async add(by: number): Promise<number> {
    this.#n += by;
    return this.#n;
  }

  addSync(by: number): number {
    this.#n += by;
    return this.#n;
  }

  read(): number {
    return this.#n;
  }
}

describe("failingStore", () => {
  it("is the store itself while no rule matches, private fields and frozen objects included", async () => {
    const store = failingStore(Object.freeze(new Counter()), []);
    expect(await store.add(2)).toBe(2);
    expect(store.read()).toBe(2);
    expect(store.label).toBe("counter");
    expect(store).toBeInstanceOf(Counter);
    expect("add" in store).toBe(true);
  });

  it("fails before the effect, and drops the reply after it", async () => {
    const store = failingStore(new Counter(), [
      { method: "add", nth: 1, fault: { kind: "fail" } },
      { method: "add", nth: 2, fault: { kind: "drop" } },
      { method: "add", nth: 3, fault: { kind: "drop", error: new Error("mine") } },
    ]);
    await expect(store.add(1)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied" });
    expect(store.read()).toBe(0);
    await expect(store.add(1)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "unknown" });
    expect(store.read()).toBe(1);
    await expect(store.add(1)).rejects.toThrow("mine");
    expect(await store.add(1)).toBe(3);
  });

  it("takes every n-th call, or what a function decides", async () => {
    const third = failingStore(new Counter(), [{ every: 3, fault: { kind: "garbage", value: null } }]);
    const replies = [await third.add(1), await third.add(1), await third.add(1), await third.add(1)];
    expect(replies).toEqual([1, 2, null, 4]);

    let down = true;
    const seen: string[] = [];
    const store = failingStore(new Counter(), (call) => {
      seen.push(`${call.method}#${call.nth}/${call.total}`);
      return down ? { kind: "fail" } : undefined;
    });
    await expect(store.add(1)).rejects.toThrow();
    down = false;
    store.read();
    expect(await store.add(1)).toBe(1);
    expect(seen).toEqual(["add#1/1", "read#1/2", "add#2/3"]);
  });

  it("delays by the clock, and hangs with or without the effect", async () => {
    const clock = manualClock();
    const target = new Counter();
    const slow = failingStore(target, [{ fault: { kind: "delay", ms: 50 } }], { clock });
    let reply: number | undefined;
    void slow.add(1).then((n) => (reply = n));
    await clock.advanceAsync(49);
    expect([reply, target.read()]).toEqual([undefined, 0]);
    await clock.advanceAsync(1);
    expect([reply, clock.pendingTimers]).toEqual([1, 0]);

    let settled = false;
    for (const effect of [false, true]) void failingStore(target, [{ fault: { kind: "hang", effect } }]).add(1).finally(() => (settled = true));
    await clock.advanceAsync(1e9);
    expect([settled, target.read()]).toEqual([false, 2]);
  });

  it("throws from synchronous methods", () => {
    const target = new Counter();
    expect(() => failingStore(target, [{ fault: { kind: "drop" } }]).addSync(1)).toThrow("dropped on purpose");
    expect(target.read()).toBe(1);
    expect(failingStore(target, [{ fault: { kind: "garbage", value: "x", effect: false } }]).addSync(1)).toBe("x");
    expect(target.read()).toBe(1);
    expect(() => failingStore(target, [{ fault: { kind: "hang" } }]).addSync(1)).toThrow("cannot hang");
  });
});
