/** The driver on Durable Objects: every operation runs beside its data, in the object its key belongs to. */

import { checkInteger, checkTtlMs } from "../../core/check.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import { rawBytesOf } from "../../state/algorithms/raw-bytes.ts";
import type { Algorithm, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts/driver.ts";
import { failedReplies } from "../../state/replay.ts";
import { type DurableObjectOptions, ObjectCalls } from "./object-calls.ts";
import { MAX_BYTES } from "./object/max-bytes.ts";
import { DELETE } from "./object/records.ts";
import type { DurableObjectNamespaceLike } from "./types.ts";

export interface DurableObjectDriverOptions extends DurableObjectOptions {
  /**
   * Objects over which the keys are spread by their hash. One does about a thousand requests a second, and every request carries
   * all calls an isolate has waiting; changing the number moves keys to other objects. @default 1
   */
  readonly shards?: number;
  /** Names the objects: `<name>-<shard>`. @default "sluice" */
  readonly name?: string;
}

export interface DurableObjectDriver extends StateDriver {
  /** Requests to objects, and commands in them, so far. */
  readonly stats: { readonly requests: number; readonly commands: number };
  [Symbol.asyncDispose](): Promise<void>;
}

const MAX_SHARDS = 65_536;
const rawBytes: Algorithm = rawBytesOf(MAX_BYTES) as Algorithm;
/** Not an algorithm: the object removes the record, whatever it is. */
const remove: Algorithm = { ...rawBytes, name: DELETE };

/**
 * A {@link StateDriver} on objects of the class `StateDO`. Nothing is sent before something is asked, and the namespace stays the
 * caller's. Make it once per isolate: calls of concurrent requests then share requests to the objects.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * import { env } from "cloudflare:workers";
 * const stores = createStores(durableObjectDriver(env.STATE, { shards: 8 }));
 */
export function durableObjectDriver(namespace: DurableObjectNamespaceLike, options: DurableObjectDriverOptions = {}): DurableObjectDriver {
  const shards = checkInteger("shards", options.shards ?? 1, 1, MAX_SHARDS);
  const name = options.name ?? "sluice";
  if (typeof name !== "string" || name === "") throw new OptionError("name", name, "a non-empty string");
  const names = new Array<string | undefined>(shards);
  const nameOf = (key: string): string => {
    const shard = shards === 1 ? 0 : hash(key) % shards;
    return (names[shard] ??= `${name}-${shard}`);
  };
  return new Driver(namespace, "StateDO", nameOf, options);
}

/** A driver whose keys have an object each. */
export function objectPerKeyDriver(namespace: DurableObjectNamespaceLike, className: string, options: DurableObjectOptions): DurableObjectDriver {
  return new Driver(namespace, className, (key) => key, options);
}

class Driver extends ObjectCalls implements DurableObjectDriver {
  readonly #nameOf: (key: string) => string;

  /** `nameOf`: the object a key belongs to. */
  constructor(namespace: DurableObjectNamespaceLike, className: string, nameOf: (key: string) => string, options: DurableObjectOptions) {
    super(namespace, className, options);
    this.#nameOf = nameOf;
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    this.open();
    const operations = batch.map((operation) => ({ ...operation, key: utf8Key(boundKey(operation.key)) }));
    if (operations.length === 1) return [await this.#run(operations[0] as Operation, signal)];
    const ends = await Promise.allSettled(operations.map((operation) => this.#run(operation, signal)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length > 0 && (failures.length === ends.length || signal?.aborted)) throw failures[0]?.reason;
    return ends.map((end, i) => (end.status === "fulfilled" ? end.value : failedReplies(batch[i] as Operation, end.reason)));
  }

  async get(key: string, options?: RunOptions): Promise<Uint8Array | undefined> {
    return (await this.#one(rawBytes, key, { type: "get" }, options)) as Uint8Array | undefined;
  }

  async set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): Promise<void> {
    if (!(value instanceof Uint8Array)) throw new OptionError("value", value, "a Uint8Array");
    const ttl = checkTtlMs("ttlMs", ttlMs);
    if (value.length > MAX_BYTES) throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.length} bytes is over the maximum of ${MAX_BYTES}`, { outcome: "not-applied" });
    // A copy: calls may wait, and the caller may use the bytes again.
    await this.#one(rawBytes, key, { type: "set", bytes: new Uint8Array(value), ttlMs: ttl }, options);
  }

  async delete(key: string, options?: RunOptions): Promise<boolean> {
    return (await this.#one(remove, key, {}, options)) as boolean;
  }

  async #one(algorithm: Algorithm, key: string, command: unknown, options: RunOptions | undefined): Promise<unknown> {
    const [replies] = await this.run([{ algorithm, key, commands: [command] }], options);
    const reply = replies?.[0];
    if (reply instanceof Error) throw reply;
    return reply;
  }

  #run(operation: Operation, signal: AbortSignal | undefined): Promise<Reply[]> {
    return this.runIn(this.#nameOf(operation.key), operation, signal);
  }
}

/** FNV-1a over UTF-16 units: the same on every isolate, and for ever, since it says where a key lives. */
function hash(key: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  // The low bits of FNV repeat patterns of the last characters.
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 12)) >>> 0;
}
