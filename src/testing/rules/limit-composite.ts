/** Rules on `checkAll`, on the bound of a store and on its end. */

import type { LimitPolicy, RateLimitStore } from "../../state/contracts/limits.ts";
import { expect, expectEqual, expectRangeError, optional, type Rule } from "../report.ts";
import { destroyRules } from "./destroy.ts";
import { sweep, type Admission } from "./limit-bounds.ts";
import { LIMIT_KINDS, checkOf, policyOf, type LimitContext } from "./limit-context.ts";

type CheckAll = NonNullable<RateLimitStore["checkAll"]>;

const LONG_MS = 86_400_000;
const MAX_KEYS = 16;

async function checkAllOf(c: LimitContext): Promise<CheckAll> {
  const store = await c.store();
  return optional(store.checkAll?.bind(store), "checkAll");
}

async function boundedStore(c: LimitContext): Promise<RateLimitStore> {
  const store = await optional(c.options.bounded, "bound to choose (option bounded)")(MAX_KEYS);
  c.after(() => store.destroy?.());
  return store;
}

const mixed: readonly LimitPolicy[] = [policyOf("sliding-window", 5, LONG_MS), policyOf("fixed-window", 2, LONG_MS), policyOf("token-bucket", 9, LONG_MS)];

export const compositeRules: readonly Rule<LimitContext>[] = [
  {
    rule: "check-all/decisions-in-order",
    async run(c) {
      const checkAll = await checkAllOf(c);
      const decisions = await checkAll(c.key(), mixed, 1);
      expectEqual(decisions.map(({ limit, remaining, allowed }) => [limit, remaining, allowed]), [[5, 4, true], [2, 1, true], [9, 8, true]], "limit, remaining and allowed of three policies");
    },
  },
  {
    rule: "check-all/all-or-nothing",
    async run(c) {
      const checkAll = await checkAllOf(c);
      const key = c.key();
      await checkAll(key, mixed, 1);
      await checkAll(key, mixed, 1);
      for (let i = 0; i < 10; i++) expectEqual((await checkAll(key, mixed, 1)).map(({ allowed }) => allowed)[1], false, "the decision of the policy that is used up");
      expectEqual((await checkAll(key, mixed, 0)).map(({ remaining }) => remaining), [3, 0, 7], "remaining after two admissions and ten refusals");
    },
  },
  {
    rule: "check-all/cost-above-one-limit",
    async run(c) {
      const checkAll = await checkAllOf(c);
      const key = c.key();
      const decisions = await checkAll(key, mixed, 3);
      expectEqual([decisions[1]?.allowed, decisions[1]?.retryAfterMs], [false, null], "allowed and retryAfterMs of the policy whose limit is below the cost");
      expectEqual((await checkAll(key, mixed, 0)).map(({ remaining }) => remaining), [5, 2, 9], "remaining afterwards");
    },
  },
  {
    rule: "check-all/concurrent",
    async run(c) {
      const [a, b] = await c.clients();
      optional(a.checkAll, "checkAll");
      const key = c.key();
      const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => (await (i % 2 === 0 ? a : b).checkAll?.(key, mixed, 1)) ?? []));
      expectEqual(answers.filter((decisions) => decisions.every(({ allowed }) => allowed)).length, 2, "admissions of 40 concurrent calls where the smallest limit is 2");
    },
  },
  {
    rule: "check-all/never-above",
    async run(c) {
      c.time.needDriven();
      const checkAll = await checkAllOf(c);
      const key = c.key();
      const policies = [policyOf("sliding-window", 5, 100), policyOf("sliding-window", 40, 1000), policyOf("token-bucket", 50, 2000)];
      const admissions: Admission[] = [];
      for (let i = 0; i < 1500; i++) {
        await c.time.pass(c.pick(0, 9) === 0 ? c.pick(0, 100) : c.pick(0, 8));
        const at = c.time.now();
        if ((await checkAll(key, policies, 1)).every(({ allowed }) => allowed)) admissions.push({ sentAt: at, knownAt: at, cost: 1 });
      }
      for (const [i, policy] of policies.entries()) sweep(admissions, policy, `policy ${i + 1} of 3`);
    },
  },
  {
    rule: "check-all/domain",
    async run(c) {
      const checkAll = await checkAllOf(c);
      const key = c.key();
      await expectRangeError(async () => checkAll(key, mixed, -1), "checkAll with a cost of -1");
      await expectRangeError(async () => checkAll(key, mixed, Number.NaN), "checkAll with a cost of NaN");
      await expectRangeError(async () => checkAll(key, [mixed[0] as LimitPolicy, { ...(mixed[1] as LimitPolicy), windowMs: 0 }], 1), "checkAll whose second policy is invalid");
      expectEqual((await checkAll(key, mixed, 0)).map(({ remaining }) => remaining), [5, 2, 9], "remaining after invalid calls");
    },
  },
  {
    rule: "bound/flood-frees-no-counter",
    async run(c) {
      const store = await boundedStore(c);
      const victim = c.key();
      for (let i = 0; i < 3; i++) await store.increment(victim, 3600);
      for (let i = 0; i < MAX_KEYS * 40; i++) await store.increment(c.key(), 3600);
      const { count } = await store.increment(victim, 3600);
      expect(count >= 4, `the fourth count of a key after a flood of ${MAX_KEYS * 40} others: expected at least 4, got ${count}`);
    },
  },
  {
    rule: "bound/flood-frees-no-limit",
    async run(c) {
      for (const algorithm of LIMIT_KINDS) {
        const check = checkOf(await boundedStore(c));
        const limit = policyOf(algorithm, 3, LONG_MS);
        const victim = c.key();
        await check(victim, limit, 3);
        for (let i = 0; i < MAX_KEYS * 40; i++) await check(c.key(), limit, 1);
        expectEqual((await check(victim, limit, 1)).allowed, false, `a call under a used up ${algorithm} limit after a flood of ${MAX_KEYS * 40} other keys`);
      }
    },
  },
  {
    rule: "bound/full-is-not-free",
    async run(c) {
      const store = await boundedStore(c);
      const check = checkOf(store);
      const limit = policyOf("fixed-window", 3, LONG_MS);
      for (let i = 0; i < MAX_KEYS; i++) await check(c.key(), limit, 3);
      for (let i = 0; i < MAX_KEYS; i++) {
        const key = c.key();
        let admitted = 0;
        for (let call = 0; call < 6; call++) if ((await check(key, limit, 1)).allowed) admitted++;
        expect(admitted <= 3, `calls admitted under a limit of 3 by a store full of used up keys: ${admitted}`);
      }
    },
  },
  {
    rule: "bound/full-ends",
    async run(c) {
      c.time.needDriven();
      const store = await boundedStore(c);
      const check = checkOf(store);
      const limit = policyOf("fixed-window", 3, 1000);
      for (let i = 0; i < MAX_KEYS * 3; i++) await check(c.key(), limit, 3);
      await c.time.pass(1000);
      for (let i = 0; i < MAX_KEYS; i++) expectEqual((await check(c.key(), limit, 3)).allowed, true, "a new key once the windows of a full store have ended");
    },
  },
  ...destroyRules<RateLimitStore>(
    (store, key) => store.increment(key, 600),
    async (store, key) => expectEqual((await store.increment(key, 600)).count, 2, "a count by the other client after one was destroyed"),
  ),
];
