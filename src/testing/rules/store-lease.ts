/** Rules on the optional verbs `lease` and `release`: places held by tokens, each with an end. */

import type { StitchStore } from "../../state/contracts/key-value.ts";
import { expect, expectEqual, expectRangeError, optional, show, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";

interface Leases {
  hold(token: string, limit: number, ttlMs?: number): ReturnType<NonNullable<StitchStore["lease"]>>;
  release(token: string): Promise<boolean>;
}

/** Long enough that no lease ends by itself while a rule runs. */
const HOLD_MS = 600_000;

async function leasesOf(c: StoreContext): Promise<[Leases, Leases]> {
  const key = c.key();
  const [a, b] = (await c.clients()).map((store) => {
    const lease = optional(store.lease?.bind(store), "lease");
    const release = optional(store.release?.bind(store), "release");
    return { hold: (token: string, limit: number, ttlMs = HOLD_MS) => lease(key, { token, limit, ttlMs }), release: (token: string) => release(key, token) };
  });
  return [a as Leases, b as Leases];
}

export const leaseRules: readonly Rule<StoreContext>[] = [
  {
    rule: "lease/limit",
    async run(c) {
      const [a, b] = await leasesOf(c);
      expectEqual([(await a.hold("1", 2)).held, (await b.hold("2", 2)).held, (await a.hold("3", 2)).held, (await b.hold("4", 2)).held], [true, true, false, false], "four tokens for two places");
    },
  },
  {
    rule: "lease/reply",
    async run(c) {
      const [a, b] = await leasesOf(c);
      const first = await a.hold("1", 2, HOLD_MS);
      await b.hold("2", 2, HOLD_MS / 2);
      const refused = await a.hold("3", 2);
      expectEqual(first.retryInMs, 0, "retryInMs of a lease that is held");
      expect(Number.isSafeInteger(first.fence) && first.fence > 0, `the fence of a holder: expected a positive integer, got ${show(first.fence)}`);
      expect(refused.retryInMs <= HOLD_MS / 2 + (c.time.driven ? 0 : 1) && refused.retryInMs > (c.time.driven ? HOLD_MS / 2 - 1 : 0), `retryInMs of a refusal: expected the ${HOLD_MS / 2} ms to the soonest end, got ${refused.retryInMs}`);
    },
  },
  {
    rule: "lease/renewal-takes-no-second-place",
    async run(c) {
      const [a, b] = await leasesOf(c);
      await a.hold("1", 2);
      for (let i = 0; i < 5; i++) expectEqual((await b.hold("1", 2)).held, true, "a renewal");
      expectEqual((await b.hold("2", 2)).held, true, "the second place after renewals of the first");
      expectEqual((await a.hold("1", 2)).held, true, "a renewal while all places are taken");
    },
  },
  {
    rule: "lease/renewal-keeps-the-fence",
    async run(c) {
      const [a, b] = await leasesOf(c);
      const { fence } = await a.hold("1", 2);
      await b.hold("2", 2);
      expectEqual((await a.hold("1", 2)).fence, fence, "the fence after a renewal");
    },
  },
  {
    rule: "lease/renewal-extends",
    async run(c) {
      c.time.needDriven();
      const [a, b] = await leasesOf(c);
      await a.hold("1", 1, 100);
      await c.time.pass(60);
      await a.hold("1", 1, 100);
      await c.time.pass(60);
      expectEqual((await b.hold("2", 1, 100)).held, false, "another token 60 ms after a renewal of 100 ms");
    },
  },
  {
    rule: "lease/crashed-holder-ends",
    async run(c) {
      const [a, b] = await leasesOf(c);
      await a.hold("crashed", 1, c.ttlMs);
      await c.time.pass(c.ttlMs);
      await c.time.until("the place of a holder that never came back is free after its TTL", c.ttlMs, async () => (await b.hold("next", 1)).held);
      expectEqual(await a.release("crashed"), false, "release by the holder whose lease ended");
      expectEqual((await a.hold("crashed", 1)).held, false, "a late renewal by the holder whose lease ended");
    },
  },
  {
    rule: "lease/boundary",
    async run(c) {
      c.time.needDriven();
      const [a, b] = await leasesOf(c);
      await a.hold("1", 1, 100);
      await c.time.pass(99);
      const refused = await b.hold("2", 1, 100);
      expectEqual([refused.held, refused.retryInMs], [false, 1], "held and retryInMs, 1 ms before the end");
      await c.time.pass(1);
      expectEqual((await b.hold("2", 1, 100)).held, true, "the next holder at the end");
    },
  },
  {
    rule: "lease/ended-holders-take-no-place",
    async run(c) {
      c.time.needDriven();
      const [a, b] = await leasesOf(c);
      await a.hold("short", 2, 100);
      await a.hold("long", 2, 100_000);
      await c.time.pass(100);
      // With one place the long one fills it; the refusal must not count the short one for ever after.
      expectEqual((await b.hold("x", 1, 100)).held, false, "a token while one live holder fills the limit");
      expectEqual((await b.hold("y", 2, 100_000)).held, true, "a second token beside one live and one ended holder");
      expectEqual((await b.hold("z", 2, 100)).retryInMs, 99_900, "retryInMs, which counts live holders only");
    },
  },
  {
    rule: "lease/release-frees",
    async run(c) {
      const [a, b] = await leasesOf(c);
      await a.hold("1", 1);
      expectEqual(await a.release("1"), true, "release by the holder");
      expectEqual((await b.hold("2", 1)).held, true, "the next holder");
    },
  },
  {
    rule: "lease/foreign-release",
    async run(c) {
      const [a, b] = await leasesOf(c);
      await a.hold("1", 1);
      expectEqual(await b.release("2"), false, "release by a token that holds nothing");
      expectEqual((await b.hold("2", 1)).held, false, "that token afterwards");
    },
  },
  {
    rule: "lease/repeated-release",
    async run(c) {
      const [a, b] = await leasesOf(c);
      await a.hold("1", 1);
      await a.release("1");
      await b.hold("2", 1);
      expectEqual(await a.release("1"), false, "a second release");
      expectEqual((await a.hold("3", 1)).held, false, "a third token after the second release");
    },
  },
  {
    rule: "lease/release-leaves-the-others",
    async run(c) {
      const [a, b] = await leasesOf(c);
      for (const token of ["1", "2", "3"]) await a.hold(token, 3);
      await a.release("2");
      expectEqual([(await b.hold("4", 3)).held, (await b.hold("5", 3)).held], [true, false], "two more tokens after one of three was released");
    },
  },
  {
    rule: "lease/fence-grows",
    async run(c) {
      const [a, b] = await leasesOf(c);
      let last = 0;
      for (let i = 0; i < 8; i++) {
        const { fence } = await (i % 2 === 0 ? a : b).hold(`holder ${i}`, 1);
        expect(fence > last, `the fence of holder ${i + 1}: expected more than ${last}, got ${fence}`);
        last = fence;
        await a.release(`holder ${i}`);
      }
    },
  },
  {
    rule: "lease/fence-grows-after-loss",
    async run(c) {
      c.time.needDriven();
      const [a, b] = await leasesOf(c);
      const { fence } = await a.hold("1", 1, 1000);
      await c.time.pass(40 * 86_400_000);
      const later = await b.hold("2", 1, 1000);
      expect(later.fence > fence, `the fence 40 days later: expected more than ${fence}, got ${later.fence}`);
    },
  },
  {
    rule: "lease/concurrent",
    async run(c) {
      const [a, b] = await leasesOf(c);
      const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? a : b).hold(`token ${i}`, 7)));
      const holders = replies.filter(({ held }) => held);
      expectEqual(holders.length, 7, "holders of 7 places after 40 concurrent calls");
      expectEqual(new Set(holders.map(({ fence }) => fence)).size, 7, "different fences of 7 holders");
    },
  },
  {
    rule: "lease/domain",
    async run(c) {
      const [a, b] = await leasesOf(c);
      for (const bad of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "2", undefined] as number[]) await expectRangeError(() => a.hold("bad", bad), `lease with the limit ${show(bad)}`);
      expectEqual((await b.hold("good", 1)).held, true, "a lease after invalid ones");
    },
  },
];
