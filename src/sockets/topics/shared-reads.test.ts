import { describe, expect, it } from "vitest";
import { SharedReads } from "./shared-reads.ts";

function source() {
  const begun: { resolve: (value: number) => void; reject: (error: unknown) => void }[] = [];
  return { begun, start: () => new Promise<number>((resolve, reject) => void begun.push({ resolve, reject })) };
}

const turn = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(() => queueMicrotask(resolve))));

describe("shared reads", () => {
  it("are one at a time per key: who comes meanwhile shares one that begins later", async () => {
    const reads = new SharedReads<number>();
    const { begun, start } = source();
    const first = reads.read("a", start);
    const others = [reads.read("a", start), reads.read("a", start), reads.read("a", start)];
    expect(begun).toHaveLength(1);
    begun[0]?.resolve(1);
    await turn();
    expect(begun).toHaveLength(2);
    const late = reads.read("a", start);
    begun[1]?.resolve(2);
    expect(await first).toBe(1);
    expect(await Promise.all(others)).toEqual([2, 2, 2]);
    begun[2]?.resolve(3);
    expect(await late).toBe(3);
    await turn();
    expect(reads.size).toBe(0);
  });

  it("keep keys apart, and a failure to those who shared it", async () => {
    const reads = new SharedReads<number>();
    const { begun, start } = source();
    const [a, b] = [reads.read("a", start), reads.read("b", start)] as Promise<number>[];
    const behind = reads.read("a", start) as Promise<number>;
    expect(begun).toHaveLength(2);
    begun[0]?.reject(new Error("away"));
    begun[1]?.resolve(5);
    await expect(a).rejects.toThrow("away");
    expect(await b).toBe(5);
    begun[2]?.resolve(6);
    expect(await behind).toBe(6);
    await turn();
    expect(reads.size).toBe(0);
  });

  it("stay synchronous where the source is, and hold nothing when it throws", () => {
    const reads = new SharedReads<number>();
    expect(reads.read("a", () => 7)).toBe(7);
    expect(() => reads.read("a", () => { throw new Error("no"); })).toThrow("no");
    expect(reads.size).toBe(0);
  });
});
