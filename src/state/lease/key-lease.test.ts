import { expect, it } from "vitest";
import { type LeaseWaiter, WaiterQueue } from "./key-lease.ts";

const waiter = (cost: number): LeaseWaiter => ({ cost, resolve: () => undefined, reject: () => undefined, gone: false });

it("keeps nothing of callers who were served, also while somebody always waits", () => {
  const queue = new WaiterQueue();
  const order: number[] = [];
  queue.push(waiter(0));
  for (let cost = 1; cost <= 10_000; cost++) {
    queue.push(waiter(cost));
    const first = queue.first as LeaseWaiter;
    order.push(first.cost);
    queue.remove(first);
  }
  expect(order).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  expect((Reflect.get(queue, "items") as unknown[]).length).toBeLessThan(1000);
  expect(queue.first?.cost).toBe(10_000);
  expect(queue.wanted).toBe(10_000);
});
