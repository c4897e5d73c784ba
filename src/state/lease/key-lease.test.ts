import { expect, it } from "vitest";
import { type LeaseWaiter, WaiterQueue } from "./key-lease.ts";

const waiter = (cost: number): LeaseWaiter => ({ cost, resolve: () => undefined, reject: () => undefined, gone: true });

/** Costs of all whom the queue can reach, from either end. */
function kept(queue: WaiterQueue): number[] {
  const costs: number[] = [];
  for (let at = queue.first; at !== undefined; at = at.next) costs.push(at.cost);
  const back: number[] = [];
  for (let at = Reflect.get(queue, "last") as LeaseWaiter | undefined; at !== undefined; at = at.previous) back.unshift(at.cost);
  expect(back).toEqual(costs);
  return costs;
}

it("keeps nothing of callers who left behind one who still waits", () => {
  const queue = new WaiterQueue();
  const all = Array.from({ length: 1000 }, (_, cost) => waiter(cost));
  for (const one of all) queue.push(one);
  for (const one of all) if (one.cost % 100 !== 0) queue.remove(one);
  queue.remove(all[500]!);
  queue.remove(all[500]!);
  expect(kept(queue)).toEqual([0, 100, 200, 300, 400, 600, 700, 800, 900]);
  expect(queue.wanted).toBe(4000);
  const [a, b] = [all[900]!, all[0]!];
  queue.remove(a);
  queue.remove(b);
  expect([a, b].map(({ next, previous }) => [next, previous])).toEqual([[undefined, undefined], [undefined, undefined]]);
  expect(queue.first?.cost).toBe(100);
});

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
  expect(kept(queue)).toEqual([10_000]);
  expect(queue.first?.cost).toBe(10_000);
  expect(queue.wanted).toBe(10_000);
});
