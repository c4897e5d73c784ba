/** Rules on a driver: algorithms run atomically on keys, and plain values. */

import { StoreError, isSluiceError } from "../../core/errors.ts";
import type { Algorithm, Operation, StateDriver } from "../../state/contracts/driver.ts";
import { expect, expectCode, expectEqual, expectRangeError, failureOf, optional, show, skipRule, type ContractOptions, type Rule, type RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";
import { BAD_TTLS } from "./store-time.ts";

export type DriverContractOptions = ContractOptions;

export interface DriverContext extends RuleBase, Subjects<StateDriver> {}

type LogCommand =
  | { readonly add: number; readonly lifeMs?: number }
  | { readonly read: true }
  | { readonly clear: true }
  | { readonly clock: true }
  | { readonly fail: true };

interface Log {
  readonly numbers: readonly number[];
  readonly end?: number;
}

/** Every reply shows everything that happened before: no lost, repeated or reordered command goes unseen. */
function logAlgorithm(version = 1): Algorithm<Log, LogCommand, readonly number[]> {
  return {
    name: "contract-log",
    version,
    maxStateBytes: 4096,
    step(state, command, now) {
      const live = state === undefined || (state.end !== undefined && now >= state.end) ? undefined : state;
      const numbers = live?.numbers ?? [];
      if ("fail" in command) throw new StoreError("STORE_OVERFLOW", "the command asked to fail", { outcome: "not-applied" });
      if ("clear" in command) return { state: undefined, reply: numbers, expiresAt: undefined };
      if ("read" in command) return { state, reply: numbers, expiresAt: state?.end };
      if ("clock" in command) return { state, reply: [now], expiresAt: state?.end };
      const end = command.lifeMs === undefined ? live?.end : now + command.lifeMs;
      const next: Log = { numbers: [...numbers, command.add], ...(end === undefined ? {} : { end }) };
      return { state: next, reply: next.numbers, expiresAt: end };
    },
    encode: (state) => new TextEncoder().encode(JSON.stringify(state)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Log,
  };
}

const log: Algorithm<Log, LogCommand, readonly number[]> = /* @__PURE__ */ logAlgorithm();

/** What the suite runs: a driver that has to know algorithms beforehand is given these. */
export const driverContractAlgorithms: readonly Algorithm[] = /* @__PURE__ */ Object.freeze([log as Algorithm, logAlgorithm(2) as Algorithm]);

function operation(key: string, ...commands: LogCommand[]): Operation {
  return { algorithm: log, key, commands };
}

async function run(driver: StateDriver, ...batch: Operation[]): Promise<unknown[][]> {
  return driver.run(batch);
}

async function read(driver: StateDriver, key: string): Promise<unknown> {
  return (await run(driver, operation(key, { read: true })))[0]?.[0];
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

export const driverRules: readonly Rule<DriverContext>[] = [
  {
    rule: "capabilities/complete",
    async run(c) {
      const { name, capabilities } = await c.store();
      const { atomic, clock, minTtlMs, maxValueBytes, shared } = capabilities;
      expect(typeof name === "string" && name !== "", `name: expected text, got ${show(name)}`);
      expect(typeof atomic === "boolean" && typeof shared === "boolean", `atomic and shared: expected booleans, got ${show([atomic, shared])}`);
      expect(clock === "backend" || clock === "caller", `clock: expected "backend" or "caller", got ${show(clock)}`);
      expect(minTtlMs > 0 && maxValueBytes > 0, `minTtlMs and maxValueBytes: expected numbers above 0, got ${show([minTtlMs, maxValueBytes])}`);
    },
  },
  {
    rule: "run/shape",
    async run(c) {
      const driver = await c.store();
      expectEqual(await run(driver), [], "the replies to an empty batch");
      const replies = await run(driver, operation(c.key(), { add: 1 }, { add: 2 }, { read: true }), operation(c.key()), operation(c.key(), { read: true }));
      expectEqual(replies, [[[1], [1, 2], [1, 2]], [], [[]]], "the replies to operations of three, no and one command");
    },
  },
  {
    rule: "run/order",
    async run(c) {
      const [a, b] = await c.clients();
      const keys = Array.from({ length: 20 }, () => c.key());
      const commands = Array.from({ length: 30 }, (_, i) => ({ add: i }));
      const replies = await run(a, ...keys.map((key) => operation(key, ...commands)));
      const all = commands.map(({ add }) => add);
      for (const [i, key] of keys.entries()) {
        expectEqual(replies[i]?.at(-1), all, "the reply to the last of 30 commands on one of 20 keys");
        expectEqual(await read(b, key), all, "what the other client reads");
      }
    },
  },
  {
    rule: "run/batches-are-serial",
    async run(c) {
      const driver = await c.store();
      const [together, apart] = [c.key(), c.key()];
      const commands: LogCommand[] = [{ add: 1 }, { read: true }, { clear: true }, { add: 2 }, { add: 3 }, { read: true }];
      const [one] = await run(driver, operation(together, ...commands));
      const several: unknown[] = [];
      for (const command of commands) several.push((await run(driver, operation(apart, command)))[0]?.[0]);
      expectEqual(one, several, "the replies to one batch, compared with the same commands one by one");
    },
  },
  {
    rule: "run/concurrent",
    async run(c) {
      const [a, b] = await c.clients();
      if (!a.capabilities.atomic) return skipRule("the driver says that it is not atomic");
      const key = c.key();
      const replies = await Promise.all(Array.from({ length: 48 }, async (_, i) => (await run(i % 2 === 0 ? a : b, operation(key, { add: i })))[0]?.[0] as number[]));
      const final = (await read(a, key)) as number[];
      expectEqual(new Set(final).size, 48, "different commands kept of 48 concurrent ones");
      for (const reply of replies) expectEqual(reply, final.slice(0, reply.length), "a reply, compared with the beginning of the final state");
    },
  },
  {
    rule: "run/one-failed-key",
    async run(c) {
      const driver = await c.store();
      const [good, bad, after] = [c.key(), c.key(), c.key()];
      await run(driver, operation(bad, { add: 1 }));
      const replies = await run(driver, operation(good, { add: 1 }), operation(bad, { fail: true }, { read: true }), operation(after, { add: 3 }));
      expectEqual([replies[0], replies[2]], [[[1]], [[3]]], "the replies to the keys beside one that failed");
      expectEqual(replies[1]?.length, 2, "replies to the key that failed");
      for (const reply of replies[1] ?? []) expect(reply instanceof Error && isSluiceError(reply) && typeof reply.code === "string", `a reply to the key that failed: expected an error with a code, got ${show(reply)}`);
      expectEqual(await read(driver, bad), [1], "the state of the key that failed");
    },
  },
  {
    rule: "run/failure-applies-nothing",
    async run(c) {
      const driver = await c.store();
      const key = c.key();
      await run(driver, operation(key, { add: 1 }, { fail: true }, { add: 2 }));
      // Either the commands before the failure count for all callers, or none does: a caller told of an error must not have been charged.
      const state = await read(driver, key);
      const [replies] = await run(driver, operation(c.key(), { add: 1 }, { fail: true }));
      const told = !(replies?.[0] instanceof Error);
      expectEqual(state, told ? [1] : [], `the state after a failing command, where the command before it was ${told ? "answered" : "told to have failed"}`);
    },
  },
  {
    rule: "run/state-undefined-deletes",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await run(a, operation(key, { add: 1 }));
      await run(b, operation(key, { clear: true }));
      expectEqual(await read(a, key), [], "the state after a step that gave none");
    },
  },
  {
    rule: "run/one-clock-reading",
    async run(c) {
      const driver = await c.store();
      const [replies] = await run(driver, operation(c.key(), ...Array.from({ length: 50 }, (): LogCommand => ({ clock: true }))));
      const times = new Set((replies as number[][]).map(([now]) => now));
      expectEqual(times.size, 1, "different instants that the commands of one key and batch were given");
      const [now] = times;
      expect(Math.abs((now as number) - c.time.now()) < 300_000, `the instant: expected epoch milliseconds near ${c.time.now()}, got ${show(now)}`);
    },
  },
  {
    rule: "run/lives-until-it-expires",
    async run(c) {
      const driver = await c.store();
      const [short, long] = [c.key(), c.key()];
      await run(driver, operation(short, { add: 1, lifeMs: c.ttlMs }), operation(long, { add: 1, lifeMs: 2 ** 31 + 1000 }));
      if (c.time.driven) {
        await c.time.pass(c.ttlMs - 1);
        expectEqual(await read(driver, short), [1], "a state 1 ms before it expires");
        await c.time.pass(2 ** 31);
      } else await c.time.pass(c.ttlMs);
      expectEqual(await read(driver, long), [1], "a state that expires in more than 2^31 ms");
      expectEqual((await run(driver, operation(short, { add: 2 })))[0]?.[0], [2], "the reply after the state expired");
    },
  },
  {
    rule: "run/keys",
    async run(c) {
      const driver = await c.store();
      const stem = c.key();
      const keys = ["", "\u0000", ":", "%", " ", "*", "ü", "u\u0308", "😀", "{x}", "A", "a", "x".repeat(600), `${"x".repeat(600)}y`].map((tail) => stem + tail);
      for (const [i, key] of keys.entries()) expectEqual((await run(driver, operation(key, { add: i })))[0]?.[0], [i], `the first reply of the key ${show(key.slice(stem.length))}`);
      for (const key of ["__proto__", "constructor"]) {
        await run(driver, operation(key, { clear: true }));
        expectEqual(await run(driver, operation(key, { add: 1 }, { clear: true })), [[[1], [1]]], `the replies of the key ${key}`);
      }
      for (const key of ["", 7, undefined] as string[]) {
        let reply: unknown;
        try {
          reply = (await run(driver, operation(key, { read: true })))[0]?.[0];
        } catch (error) {
          reply = error;
        }
        expect(reply instanceof RangeError, `the key ${show(key)}: expected a RangeError, got ${show(reply)}`);
      }
    },
  },
  {
    rule: "run/other-version-is-corrupt",
    async run(c) {
      const driver = await c.store();
      if (!driver.capabilities.shared) return skipRule("state that nobody else sees has one version");
      const key = c.key();
      await run(driver, operation(key, { add: 1 }));
      let reply: unknown;
      try {
        reply = (await run(driver, { algorithm: logAlgorithm(2), key, commands: [{ read: true }] }))[0]?.[0];
      } catch (error) {
        reply = error;
      }
      expectEqual((reply as { code?: unknown }).code, "STORE_CORRUPT", "the code of a read by another version of the algorithm");
      expectEqual(await read(driver, key), [1], "the state afterwards");
    },
  },
  {
    rule: "run/aborted",
    async run(c) {
      const driver = await c.store();
      const key = c.key();
      const reason = new Error("given up");
      const error = await failureOf(async () => driver.run([operation(key, { add: 1 })], { signal: AbortSignal.abort(reason) }), "run with a signal that has aborted");
      expect(error === reason, `run with a signal that has aborted: expected its reason, got ${show(error)}`);
      expectEqual(await read(driver, key), [], "the state afterwards");
    },
  },
  {
    rule: "run/sync-is-the-same",
    async run(c) {
      const driver = await c.store();
      const runSync = optional(driver.runSync?.bind(driver), "runSync") as (algorithm: typeof log, key: string, command: LogCommand) => readonly number[];
      const key = c.key();
      expectEqual(runSync(log, key, { add: 1 }), [1], "runSync");
      expectEqual(await run(driver, operation(key, { add: 2 })), [[[1, 2]]], "run after runSync");
      expectEqual(runSync(log, key, { read: true }), [1, 2], "runSync after run");
      await failureOf(() => runSync(log, key, { fail: true }), "runSync of a command that fails");
      expectEqual(runSync(log, key, { read: true }), [1, 2], "runSync after a failure");
    },
  },
  {
    rule: "values/round-trip",
    async run(c) {
      const [a, b] = await c.clients();
      for (const value of [Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(0), bytes(0)]) {
        const key = c.key();
        await a.set(key, value);
        expectEqual(await b.get(key), value, `get after set of ${value.length} bytes`);
      }
      expectEqual(await a.get(c.key()), undefined, "get of a missing key");
    },
  },
  {
    rule: "values/copied",
    async run(c) {
      const driver = await c.store();
      const key = c.key();
      const value = bytes(1, 2, 3);
      await driver.set(key, value);
      value[0] = 9;
      const given = (await driver.get(key)) as Uint8Array;
      expectEqual(given, bytes(1, 2, 3), "get after the bytes given to set were changed");
      given[0] = 9;
      expectEqual(await driver.get(key), bytes(1, 2, 3), "get after the bytes that get gave were changed");
    },
  },
  {
    rule: "values/delete",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.set(key, bytes(1));
      expectEqual([await b.delete(key), await a.get(key), await a.delete(key)], [true, undefined, false], "delete, get, delete");
    },
  },
  {
    rule: "values/oversize-is-refused",
    async run(c) {
      const driver = await c.store();
      const { maxValueBytes } = driver.capabilities;
      if (!(maxValueBytes <= 64 * 1024 * 1024)) return skipRule("the driver names no limit of at most 64 MiB");
      const key = c.key();
      await driver.set(key, bytes(1));
      await expectCode(async () => driver.set(key, new Uint8Array(maxValueBytes + 1)), ["STORE_VALUE_TOO_LARGE"], `set of ${maxValueBytes + 1} bytes`);
      expectEqual(await driver.get(key), bytes(1), "get afterwards");
    },
  },
  {
    rule: "time/set-refuses-a-bad-ttl",
    async run(c) {
      const driver = await c.store();
      for (const ttl of BAD_TTLS) {
        const key = c.key();
        await driver.set(key, bytes(1));
        await expectRangeError(async () => driver.set(key, bytes(2), ttl as number), `set with the TTL ${show(ttl)}`);
        expectEqual(await driver.get(key), bytes(1), `get after set with the TTL ${show(ttl)} was refused`);
      }
    },
  },
  {
    rule: "time/expiry",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.set(key, bytes(1), c.ttlMs);
      if (c.time.driven) {
        await c.time.pass(c.ttlMs - 1);
        expectEqual(await b.get(key), bytes(1), "get 1 ms before the end");
        await c.time.pass(1);
        expectEqual(await b.get(key), undefined, "get at the end");
      }
      await c.time.until("a value past its TTL is gone", c.ttlMs * 2, async () => (await b.get(key)) === undefined);
      expectEqual(await a.delete(key), false, "delete of a value past its TTL");
    },
  },
  {
    rule: "time/overwrite-clears-the-ttl",
    async run(c) {
      const driver = await c.store();
      const [key, long] = [c.key(), c.key()];
      await driver.set(key, bytes(1), c.ttlMs);
      await driver.set(key, bytes(2));
      await driver.set(long, bytes(3), 2 ** 31 + 10);
      await c.time.pass(c.time.driven ? 2 ** 31 : c.ttlMs * 2);
      expectEqual([await driver.get(key), await driver.get(long)], [bytes(2), bytes(3)], "get of a value written without TTL over one with a TTL, and of one with more than 2^31 ms");
    },
  },
  {
    rule: "lifecycle/close-twice",
    async run(c) {
      const driver = await c.another();
      await driver.set(c.key(), bytes(1));
      await Promise.all([driver.close(), driver.close()]);
      await driver.close();
    },
  },
  {
    rule: "lifecycle/use-after-close",
    async run(c) {
      const driver = await c.another();
      await driver.close();
      await failureOf(async () => driver.get(c.key()), "get after close");
      await failureOf(async () => driver.set(c.key(), bytes(1)), "set after close");
      await failureOf(async () => {
        const reply = (await run(driver, operation(c.key(), { add: 1 })))[0]?.[0];
        if (reply instanceof Error) throw reply;
      }, "run after close");
    },
  },
  {
    rule: "lifecycle/close-leaves-the-others",
    async run(c) {
      const [a, b] = await c.clients();
      if (!(await c.shared())) return skipRule("the driver shares nothing");
      const key = c.key();
      await b.set(key, bytes(1));
      await b.close();
      expectEqual(await a.get(key), bytes(1), "get by the other client after one was closed");
    },
  },
];
