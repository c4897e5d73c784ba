/** The Redis driver: native scripts for the limiter algorithms, compare-and-set for every other one. */

import { checkInteger, checkString, checkTtlMs } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { sha1Hex } from "../../core/digest.ts";
import { StoreError } from "../../core/errors.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import { value } from "../../state/algorithms/value.ts";
import type { Algorithm, DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts/driver.ts";
import type { Row } from "../../state/define-algorithm.ts";
import { type BatchPart, failedReplies, replay, settleParts, stepRow, unwrittenReplies } from "../../state/replay.ts";
import { acknowledged } from "./acknowledged.ts";
import { decodeBlob, decodeBlobBytes, encodeBlob } from "./blob.ts";
import { type RedisClient, type RedisConnection, type Script, recogniseClient } from "./client.ts";
import { slotOf } from "./cluster-slot.ts";
import type { Entry } from "./entry.ts";
import { Holders } from "./holders.ts";
import { cacheScripts } from "./native/cache.ts";
import { groupsOf } from "./native/charges.ts";
import { nativeCircuit } from "./native/circuit.ts";
import { nativeLeases } from "./native/leases.ts";
import { nativeLimits } from "./native/limits.ts";
import type { NativeAlgorithm } from "./native/native.ts";
import type { ScriptedAlgorithm } from "./native/scripted.ts";
import { VALUE, valueArgs, valueReply } from "./native/value.ts";
import { failIfAllFailed, failedWrites, lifeOf, parseNative, readAnswer, unknownShape } from "./records.ts";
import { refusedBy } from "./refusal.ts";
import { warnOfRepeats } from "./repeats.ts";
import { type Sentinel, cellsOf, runRows } from "./rows.ts";
import { MAX_TTL_MS, isAborted, runSwaps } from "./swap.ts";

export interface RedisDriverOptions {
  /** In front of every key. @default "sluice:" */
  readonly prefix?: string;
  /** Largest value of `set`, in bytes. @default 16 MiB */
  readonly maxValueBytes?: number;
  /** Is told, once per client, of what makes it less exact than this driver; `false` for nobody. @default console.warn */
  readonly warn?: false | ((message: string) => void);
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RedisStateDriver extends StateDriver {
  readonly connection: RedisConnection;
  readonly prefix: string;
  /** Names this life of the data: another one once the server has lost its records. Known from the first lease on; never on a cluster. */
  readonly runId: string | undefined;
  /** Processes that have leased under this prefix within the last 15 s, as last seen. Known from the first lease on. */
  readonly holders: number | undefined;
  /** The key in Redis of a key of the driver. */
  physical(key: string): string;
}

/** Most keys of one script: with it the server is busy for about a millisecond, and `unpack` in Lua is far from its bound. */
const SCRIPT_KEYS = 256;

const native: ReadonlyMap<string, NativeAlgorithm> = /* @__PURE__ */ new Map([...nativeLimits, nativeCircuit].map((entry) => [entry.algorithm.name, entry]));

/** The same limits for batches in which units are leased or given back. */
const leasing: ReadonlyMap<string, NativeAlgorithm> = /* @__PURE__ */ new Map(nativeLeases.map((entry) => [entry.algorithm.name, entry]));

const scripted: ReadonlyMap<string, ScriptedAlgorithm> = /* @__PURE__ */ new Map(
  [...cacheScripts, { algorithm: value as Algorithm, script: VALUE, toArgs: valueArgs, toReply: valueReply }].map((entry) => [entry.algorithm.name, entry]),
);

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
  readonly clock: Clock;
  readonly random: Random;
  /** Another one once the server has lost its records. Known from the first lease on; not on a cluster, whose keys have no common place. */
  runId: string | undefined = undefined;
  private readonly sentinel: Sentinel | undefined;
  private readonly list: Holders;
  private closed = false;

  constructor(connection: RedisConnection, options: RedisDriverOptions) {
    this.connection = connection;
    warnOfRepeats(connection, options.warn);
    this.prefix = checkString("prefix", options.prefix ?? "sluice:");
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.sentinel = connection.cluster ? undefined : {
      key: this.reserved("epoch"),
      heard: (life) => {
        if (life !== undefined) this.runId = life;
      },
    };
    this.list = new Holders(this.reserved("holders"), this.random.uuid(), this.clock, (script, keys, args) => this.evaluate(script, keys, args));
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: checkInteger("maxValueBytes", options.maxValueBytes ?? 16 * 2 ** 20, 1),
      shared: true,
      durability: "async",
      native: [...native.keys(), ...scripted.keys()],
      maxBatchKeys: SCRIPT_KEYS,
      lanes: 2,
      spreadKeys: 96,
      // The keys of a fill have no common slot.
      cacheFills: !connection.cluster,
      replicas: connection.replicas !== undefined,
    });
  }

  get holders(): number | undefined {
    return this.list.count;
  }

  run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    try {
      this.open();
      if (isAborted(options)) throw options?.signal?.reason;
      const keys: string[] = new Array(batch.length);
      for (let at = 0; at < keys.length; at++) keys[at] = this.physical((batch[at] as Operation).key);
      if (keys.length > 1 && new Set(keys).size < keys.length) return this.inTurn(batch, keys, options);
      return this.plainRows(batch, keys) ?? this.mixed(batch, keys, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What most batches are: plain charges of one kind of limit, for one call. */
  private plainRows(batch: readonly Operation[], keys: readonly string[]): Promise<Reply[][]> | undefined {
    const algorithm = batch[0]?.algorithm;
    const found = algorithm === undefined ? undefined : native.get(algorithm.name);
    if (found?.rows === undefined || found.algorithm.version !== algorithm?.version || this.connection.cluster || keys.length > SCRIPT_KEYS) return undefined;
    for (let at = 1; at < batch.length; at++) if ((batch[at] as Operation).algorithm !== algorithm) return undefined;
    const leased = leasing.get(found.algorithm.name);
    const plain = runRows(this.connection, found, batch, keys);
    if (plain !== undefined || leased === undefined) return plain;
    const sent = runRows(this.connection, leased, batch, keys, this.sentinel);
    if (sent !== undefined) this.list.leased();
    return acknowledged(this.connection, batch, sent);
  }

  private async mixed(batch: readonly Operation[], keys: readonly string[], options: RunOptions | undefined): Promise<Reply[][]> {
    const replies: Reply[][] = new Array(batch.length);
    await settleParts(this.calls(batch, keys, replies, options), replies);
    return replies;
  }

  /** A key stands in the batch more than once: a call reads all of its keys before it writes one, so they go one after the other. */
  private async inTurn(batch: readonly Operation[], keys: readonly string[], options: RunOptions | undefined): Promise<Reply[][]> {
    const replies: Reply[][] = new Array(batch.length);
    const met = new Set<string>();
    const [now, later]: [number[], number[]] = [[], []];
    keys.forEach((key, at) => {
      (met.has(key) ? later : now).push(at);
      met.add(key);
    });
    const first = await this.run(now.map((at) => batch[at] as Operation), options);
    now.forEach((at, i) => (replies[at] = first[i] as Reply[]));
    // What has been applied has its replies, whatever comes after it.
    const rest = await this.run(later.map((at) => batch[at] as Operation), options).catch((error: unknown) => later.map((at) => failedReplies(batch[at] as Operation, error)));
    later.forEach((at, i) => (replies[at] = rest[i] as Reply[]));
    return replies;
  }

  /** One call per kind of work, and on a cluster per slot. A batch is mostly of one kind. */
  private calls(batch: readonly Operation[], keys: readonly string[], replies: Reply[][], options: RunOptions | undefined): BatchPart[] {
    const byAlgorithm = new Map<Algorithm, Entry[]>();
    let last: Entry[] | undefined;
    let lastAlgorithm: Algorithm | undefined;
    for (let at = 0; at < batch.length; at++) {
      const operation = batch[at] as Operation;
      const { algorithm } = operation;
      if (algorithm !== lastAlgorithm) {
        lastAlgorithm = algorithm;
        last = byAlgorithm.get(algorithm);
        if (last === undefined) byAlgorithm.set(algorithm, (last = []));
      }
      (last as Entry[]).push({ at, operation, key: keys[at] as string });
    }
    const calls: BatchPart[] = [];
    const others: Entry[] = [];
    for (const [algorithm, entries] of byAlgorithm) {
      for (const list of this.split(entries)) {
        const call = this.native(algorithm, list, replies);
        if (call !== undefined) {
          calls.push({ entries: list, done: call });
          continue;
        }
        // A settlement or a reset among them: all others go on beside the data.
        const beside = list.filter(({ operation }) => isBeside(operation));
        const rest = beside.length === 0 ? undefined : this.native(algorithm, beside, replies);
        if (rest !== undefined) calls.push({ entries: beside, done: rest });
        others.push(...(rest === undefined ? list : list.filter((entry) => !beside.includes(entry))));
      }
    }
    for (const list of this.split(others)) calls.push({ entries: list, done: runSwaps(this, list, replies, options) });
    return calls;
  }

  /** Runs `list` beside the data, if this algorithm and all of its commands can be. */
  private native(algorithm: Algorithm, list: readonly Entry[], replies: Reply[][]): Promise<void> | undefined {
    const { name, version } = algorithm;
    const found = native.get(name);
    if (found !== undefined && found.algorithm.version === version) {
      const leased = leasing.get(name);
      const plain = this.charges(found, list, replies);
      if (plain !== undefined || leased === undefined) return plain;
      const sent = this.charges(leased, list, replies);
      if (sent !== undefined) this.list.leased();
      return sent;
    }
    const own = scripted.get(name);
    return own !== undefined && own.algorithm.version === version ? this.runScripted(own, list, replies) : undefined;
  }

  private charges(found: NativeAlgorithm, list: readonly Entry[], replies: Reply[][]): Promise<void> | undefined {
    const operations = list.map(({ operation }) => operation);
    if (found.rows === undefined) {
      const texts = groupsOf(found, operations);
      if (texts === undefined) return undefined;
      return acknowledged(this.connection, operations, this.runList(found, list, texts))?.then((rows) => {
        list.forEach(({ at }, i) => (replies[at] = rows[i] as Reply[]));
      });
    }
    return acknowledged(this.connection, operations, runRows(this.connection, found, operations, list.map(({ key }) => key), this.sentinel))?.then((rows) => {
      list.forEach(({ at }, i) => (replies[at] = rows[i] as Reply[]));
    });
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

  /** The key of what is the driver's own. Behind `~` stands an escaped name that needed it, and these need none: no caller's key is one. */
  private reserved(name: string): string {
    return `${this.prefix}~${name}`;
  }

  private open(): void {
    if (this.closed) throw new StoreError("STORE_CLOSED", "the redis driver is closed", { outcome: "not-applied" });
  }

  evaluate(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.connection.evaluate(script, keys, args).catch(refuse);
  }

  codecOf(name: string): NativeAlgorithm | undefined {
    return native.get(name);
  }

  /** On a cluster one call holds keys of one slot; else as many as a script may have. */
  private split(list: Entry[]): Entry[][] {
    if (list.length === 0) return [];
    if (!this.connection.cluster) return chunks(list);
    const slots = new Map<number, Entry[]>();
    for (const entry of list) {
      const slot = slotOf(entry.key);
      const found = slots.get(slot);
      if (found === undefined) slots.set(slot, [entry]);
      else found.push(entry);
    }
    return [...slots.values()].flatMap(chunks);
  }

  private async runList(algorithm: NativeAlgorithm, list: readonly Entry[], texts: readonly string[]): Promise<Reply[][]> {
    const sentinel = algorithm.epoch === true ? this.sentinel : undefined;
    const keys = list.map(({ key }) => key);
    const answer = await (sentinel === undefined ? this.evaluate(algorithm.script as Script, keys, texts) : this.evaluate(algorithm.script as Script, [...keys, sentinel.key], [...texts, "e"]));
    sentinel?.heard(lifeOf(answer, list.length + 1));
    const { now, stored, failed } = readAnswer(answer, list.length);
    const machine = algorithm.algorithm.row;
    const replies = list.map(({ operation }, i) => {
      try {
        const state = parseNative(algorithm, stored[i]);
        const failure = failed?.get(i);
        if (failure !== undefined) return unwrittenReplies(operation, state, now, failure);
        return machine === undefined ? replay(operation, state, now).replies : stepRow(machine, operation.commands, cellsOf(machine, state as Row | undefined), now).replies;
      } catch (error) {
        return failedReplies(operation, error);
      }
    });
    failIfAllFailed(replies, failed);
    return replies;
  }

  private async runScripted(algorithm: ScriptedAlgorithm, list: readonly Entry[], replies: Reply[][]): Promise<void> {
    const keys: string[] = [];
    const args: string[] = [];
    let commands = 0;
    for (const { key, operation } of list) {
      for (const command of operation.commands) {
        keys.push(key);
        for (const more of algorithm.moreKeys?.(command as never) ?? []) keys.push(this.physical(more));
        args.push(...algorithm.toArgs(command as never));
        commands++;
      }
    }
    const answer = await this.evaluate(algorithm.script, keys, args);
    if (!Array.isArray(answer)) throw unknownShape();
    const failed = failedWrites(answer, commands);
    let next = 0;
    for (const { at, operation } of list) {
      replies[at] = operation.commands.map((command) => {
        const place = next++;
        return failed?.get(place) ?? algorithm.toReply(command as never, answer[place]);
      });
    }
    failIfAllFailed(list.map(({ at }) => replies[at]), failed);
  }
}

function chunks(list: Entry[]): Entry[][] {
  if (list.length <= SCRIPT_KEYS) return [list];
  return Array.from({ length: Math.ceil(list.length / SCRIPT_KEYS) }, (_, i) => list.slice(i * SCRIPT_KEYS, (i + 1) * SCRIPT_KEYS));
}

/** Whether scripts can run all commands of a limit. */
function isBeside({ algorithm: { name }, commands }: Operation): boolean {
  const [plain, leased] = [native.get(name), leasing.get(name)];
  return commands.every((command) => (leased ?? plain)?.toArgs(command) !== undefined);
}
