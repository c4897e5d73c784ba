/** The Redis driver: native scripts for the limiter algorithms, compare-and-set for every other one. */

import { checkInteger, checkString, checkTtlMs } from "../../core/check.ts";
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import { toBase64 } from "../../core/codec.ts";
import { sha1Hex } from "../../core/digest.ts";
import { SluiceError, StoreError } from "../../core/errors.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { Algorithm, DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts.ts";
import { encodeRecord } from "../../state/record.ts";
import { value } from "../../state/algorithms/value.ts";
import { decodeBlob, decodeBlobBytes, encodeBlob } from "./blob.ts";
import { type RedisClient, type RedisConnection, type Script, recogniseClient } from "./client.ts";
import { slotOf } from "./cluster-slot.ts";
import { nativeLimits } from "./native/limits.ts";
import { type Charge, chargesOf, groupsText, uniformArgs } from "./native/charges.ts";
import type { NativeAlgorithm } from "./native/native.ts";
import { cacheScripts } from "./native/cache.ts";
import type { ScriptedAlgorithm } from "./native/scripted.ts";
import { VALUE, valueArgs, valueReply } from "./native/value.ts";
import { parseNative, parseRecord, readAnswer } from "./records.ts";
import { refusedBy } from "./refusal.ts";

export interface RedisDriverOptions {
  /** In front of every key. @default "sluice:" */
  readonly prefix?: string;
  /** Largest value of `set`, in bytes. @default 16 MiB */
  readonly maxValueBytes?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RedisStateDriver extends StateDriver {
  readonly connection: RedisConnection;
  readonly prefix: string;
  /** The key in Redis of a key of the driver. */
  physical(key: string): string;
}

/** Tries of a compare-and-set before `STORE_CONTENTION`. One is in flight per key and process, so more is an anomaly. */
const MAX_TRIES = 100;

/** Redis refuses TTLs whose end is beyond 64 bits; 400 years from now are as good as never. */
export const MAX_TTL_MS: number = 400 * 366 * 86_400_000;

const native: ReadonlyMap<string, NativeAlgorithm> = /* @__PURE__ */ new Map(nativeLimits.map((entry) => [entry.algorithm.name, entry]));

const scripted: ReadonlyMap<string, ScriptedAlgorithm> = /* @__PURE__ */ new Map(
  [...cacheScripts, { algorithm: value as Algorithm, script: VALUE, toArgs: valueArgs, toReply: valueReply }].map((entry) => [entry.algorithm.name, entry]),
);

/** Reads records and the server's time. */
const READ: Script = /* @__PURE__ */ script(`local time = redis.call('TIME')
local reply = { string.format('%.3f', time[1] * 1000 + time[2] / 1000) }
for k = 1, #KEYS do reply[k + 1] = redis.call('GET', KEYS[k]) end
return reply`);

/** Per key: what must be there ('' for nothing), what to write ('' deletes), its TTL in ms (0 for none). Says which were swapped. */
const SWAP: Script = /* @__PURE__ */ script(`local reply = {}
for k = 1, #KEYS do
  local at = (k - 1) * 3
  local stored = redis.call('GET', KEYS[k])
  if (stored or '') ~= ARGV[at + 1] then
    reply[k] = 0
  else
    if ARGV[at + 2] == '' then redis.call('DEL', KEYS[k])
    elseif ARGV[at + 3] == '0' then redis.call('SET', KEYS[k], ARGV[at + 2])
    else redis.call('SET', KEYS[k], ARGV[at + 2], 'PX', ARGV[at + 3]) end
    reply[k] = 1
  end
end
return reply`);

const GET: Script = /* @__PURE__ */ script("return redis.call('GET', KEYS[1])");
const SET: Script = /* @__PURE__ */ script(`local stored = ARGV[3] .. ARGV[1]
if ARGV[2] == '' then redis.call('SET', KEYS[1], stored) else redis.call('SET', KEYS[1], stored, 'PX', ARGV[2]) end
return 1`);
const DELETE: Script = /* @__PURE__ */ script("return redis.call('DEL', KEYS[1])");

function script(source: string): Script {
  return { source, sha: sha1Hex(source) };
}

function refuse(error: unknown): never {
  throw refusedBy(error);
}

/** Where an operation stands in the batch. */
interface Entry {
  readonly at: number;
  readonly operation: Operation;
  readonly key: string;
}

interface Charged {
  readonly entry: Entry;
  readonly charges: readonly Charge[];
}

/**
 * A state driver on Redis 6.2 or later. The client is the caller's: it is never closed here.
 *
 * @throws OptionError for a client of no known shape.
 */
export function redisDriver(client: RedisClient, options: RedisDriverOptions = {}): RedisStateDriver {
  return new RedisDriver(recogniseClient(client), options);
}

class RedisDriver implements RedisStateDriver {
  readonly name: string = "redis";
  readonly capabilities: DriverCapabilities;
  readonly connection: RedisConnection;
  readonly prefix: string;
  private readonly clock: Clock;
  private readonly random: Random;
  private closed = false;

  constructor(connection: RedisConnection, options: RedisDriverOptions) {
    this.connection = connection;
    this.prefix = checkString("prefix", options.prefix ?? "sluice:");
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: checkInteger("maxValueBytes", options.maxValueBytes ?? 16 * 2 ** 20, 1),
      shared: true,
      durability: "async",
      native: [...native.keys(), ...scripted.keys()],
      lanes: 2,
    });
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    this.open();
    options?.signal?.throwIfAborted();
    const replies: Reply[][] = new Array(batch.length);
    const calls: Promise<void>[] = [];
    const byNative = new Map<NativeAlgorithm, Charged[]>();
    const byScript = new Map<ScriptedAlgorithm, Entry[]>();
    const others: Entry[] = [];
    batch.forEach((operation, at) => {
      const entry = { at, operation, key: this.physical(operation.key) };
      const own = scripted.get(operation.algorithm.name);
      if (own !== undefined && own.algorithm.version === operation.algorithm.version) {
        const list = byScript.get(own);
        if (list === undefined) byScript.set(own, [entry]);
        else list.push(entry);
        return;
      }
      const found = native.get(operation.algorithm.name);
      const charges = found !== undefined && found.algorithm.version === operation.algorithm.version ? chargesOf(found, operation.commands) : undefined;
      if (charges === undefined) others.push(entry);
      else {
        const list = byNative.get(found as NativeAlgorithm);
        if (list === undefined) byNative.set(found as NativeAlgorithm, [{ entry, charges }]);
        else list.push({ entry, charges });
      }
    });
    for (const [algorithm, list] of byNative) for (const part of this.split(list, ({ entry }) => entry.key)) calls.push(this.runNative(algorithm, part, replies));
    for (const [algorithm, list] of byScript) for (const part of this.split(list, ({ key }) => key)) calls.push(this.runScripted(algorithm, part, replies));
    for (const part of this.split(others, ({ key }) => key)) calls.push(this.runCompareAndSet(part, replies));
    if (calls.length === 1) await calls[0];
    else await Promise.all(calls);
    return replies;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.open();
    const { evaluateBytes } = this.connection;
    const stored = await (evaluateBytes === undefined ? this.evaluate(GET, [this.physical(key)], []) : evaluateBytes(GET, [this.physical(key)], []).catch(refuse));
    if (stored === null || stored === undefined) return undefined;
    return stored instanceof Uint8Array ? decodeBlobBytes(stored) : decodeBlob(String(stored));
  }

  async set(key: string, value: Uint8Array, ttlMs?: number): Promise<void> {
    this.open();
    const ttl = checkTtlMs("ttlMs", ttlMs);
    if (value.length > this.capabilities.maxValueBytes) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.length} bytes is over the maximum of ${this.capabilities.maxValueBytes}`, { outcome: "not-applied" });
    }
    const { evaluateBytes } = this.connection;
    const ends = ttl === undefined ? "" : String(Math.min(ttl, MAX_TTL_MS));
    if (evaluateBytes === undefined) await this.evaluate(SET, [this.physical(key)], [encodeBlob(value), ends, ""]);
    else await evaluateBytes(SET, [this.physical(key)], [value, ends, "r"]).catch(refuse);
  }

  async delete(key: string): Promise<boolean> {
    this.open();
    return Number(await this.evaluate(DELETE, [this.physical(key)], [])) > 0;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  physical(key: string): string {
    return this.prefix + utf8Key(boundKey(key));
  }

  private open(): void {
    if (this.closed) throw new StoreError("STORE_CLOSED", "the redis driver is closed", { outcome: "not-applied" });
  }

  private evaluate(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.connection.evaluate(script, keys, args).catch(refuse);
  }

  /** On a cluster one call holds keys of one slot; else one call holds all. */
  private split<T>(list: readonly T[], keyOf: (item: T) => string): T[][] {
    if (list.length === 0) return [];
    if (!this.connection.cluster) return [list as T[]];
    const slots = new Map<number, T[]>();
    for (const item of list) {
      const slot = slotOf(keyOf(item));
      const found = slots.get(slot);
      if (found === undefined) slots.set(slot, [item]);
      else found.push(item);
    }
    return [...slots.values()];
  }

  private async runNative(algorithm: NativeAlgorithm, list: readonly Charged[], replies: Reply[][]): Promise<void> {
    const keys = list.map(({ entry }) => entry.key);
    const uniform = algorithm.uniform === undefined ? undefined : uniformArgs(list);
    const answer = await (uniform === undefined ? this.evaluate(algorithm.script, keys, list.map(({ charges }) => groupsText(charges))) : this.evaluate(algorithm.uniform as Script, keys, uniform));
    const { now, stored } = readAnswer(answer, list.length);
    list.forEach(({ entry: { at, operation } }, i) => {
      try {
        replies[at] = replay(operation, parseNative(algorithm, stored[i]), now).replies;
      } catch (error) {
        replies[at] = failed(operation, error);
      }
    });
  }

  private async runScripted(algorithm: ScriptedAlgorithm, list: readonly Entry[], replies: Reply[][]): Promise<void> {
    const keys: string[] = [];
    const args: string[] = [];
    for (const { key, operation } of list) {
      for (const command of operation.commands) {
        keys.push(key);
        args.push(...algorithm.toArgs(command as never));
      }
    }
    const answer = await this.evaluate(algorithm.script, keys, args);
    if (!Array.isArray(answer)) throw new StoreError("STORE_CORRUPT", "redis gave a reply of an unknown shape", { outcome: "unknown" });
    let next = 0;
    for (const { at, operation } of list) replies[at] = operation.commands.map((command) => algorithm.toReply(command as never, answer[next++]));
  }

  /** Reads, steps, and writes what changed, if nobody else wrote in between; else again for the keys that lost. */
  private async runCompareAndSet(list: readonly Entry[], replies: Reply[][]): Promise<void> {
    let left = list;
    for (let tries = 1; left.length > 0; tries++) {
      const { now, stored } = readAnswer(await this.evaluate(READ, left.map(({ key }) => key), []), left.length);
      const swaps: { entry: Entry; text: string; args: string[]; replies: Reply[] }[] = [];
      left.forEach((entry, i) => {
        const { operation, at } = entry;
        const before = stored[i] ?? "";
        try {
          const codec = native.get(operation.algorithm.name);
          const state = codec !== undefined ? parseNative(codec, stored[i]) : parseRecord(operation.algorithm, stored[i]);
          const result = replay(operation, state, now);
          if (result.state === state) {
            replies[at] = result.replies;
            return;
          }
          const ttlMs = result.expiresAt === undefined ? 0 : Math.min(MAX_TTL_MS, Math.max(1, Math.ceil(result.expiresAt - now)) + 1000);
          const text = result.state === undefined ? "" : codec !== undefined ? codec.head + codec.toNumbers(result.state as never).join(" ") : toBase64(encodeRecord(operation.algorithm, result.state));
          swaps.push({ entry, text, args: [before, text, String(ttlMs)], replies: result.replies });
        } catch (error) {
          replies[at] = failed(operation, error);
        }
      });
      if (swaps.length === 0) return;
      const done = (await this.evaluate(SWAP, swaps.map(({ entry }) => entry.key), swaps.flatMap(({ args }) => args))) as unknown[];
      const lost: Entry[] = [];
      swaps.forEach((swap, i) => {
        if (Number(done[i]) === 1) replies[swap.entry.at] = swap.replies;
        else lost.push(swap.entry);
      });
      left = lost;
      if (left.length === 0) return;
      if (tries >= MAX_TRIES) {
        for (const { at, operation } of left) replies[at] = failed(operation, new StoreError("STORE_CONTENTION", `${tries} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" }));
        return;
      }
      await sleep(Math.min(250, 5 * tries) * this.random.next(), this.clock);
    }
  }
}

/** The replies that the definition gives for the state before and the time of the server. */
function replay({ algorithm, commands }: Operation, before: unknown, now: number): { state: unknown; replies: Reply[]; expiresAt: number | undefined } {
  let state = before;
  let expiresAt: number | undefined;
  const replies: Reply[] = [];
  for (const command of commands) {
    const step = algorithm.step(state, command, now);
    state = step.state;
    expiresAt = step.expiresAt;
    replies.push(step.reply);
  }
  return { state, replies, expiresAt };
}

function failed({ commands }: Operation, error: unknown): Reply[] {
  const typed = error instanceof SluiceError ? error : new StoreError("STORE_CORRUPT", "a step failed", { cause: error, outcome: "not-applied" });
  return commands.map(() => typed);
}
