/** The driver on Durable Objects: every operation runs beside its data, in the object its key belongs to. */

import { checkInteger, checkPositive, checkTtlMs } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import { decodeValue, encodeValue } from "../../core/codec.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import { rawBytesOf } from "../../state/algorithms/raw-bytes.ts";
import type { Algorithm, DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts.ts";
import { failedReplies } from "../../state/replay.ts";
import { checkNamespace } from "./bindings.ts";
import { ObjectLine } from "./line.ts";
import { isNoRpc, objectFailure } from "./object-failure.ts";
import { MAX_BYTES } from "./object/registry.ts";
import { DELETE } from "./object/records.ts";
import { OBJECT_ORIGIN, RUN_PATH } from "./object/paths.ts";
import type { WireOperation } from "./object/wire.ts";
import { canShareRequests } from "./platform.ts";
import type { DurableObjectNamespaceLike, DurableObjectStubLike } from "./types.ts";

export interface DurableObjectOptions {
  /** Longest time of a call, waiting and the object's answer together, in ms; then `STORE_TIMEOUT`. @default 1000 */
  readonly timeoutMs?: number;
  /** Calls that may wait for one object in this isolate; one more is refused with `STORE_OVERLOADED`. @default 10000 */
  readonly maxQueued?: number;
  readonly clock?: Clock;
}

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

/** How a driver reaches its objects. */
export interface Objects {
  /** The object a key belongs to. */
  readonly nameOf: (key: string) => string;
  readonly className: string;
  /** Runs a batch on an object that has no RPC. @default as one POST */
  readonly overFetch?: OverFetch;
}

/** `ask`: sends a request and gives what it was answered, decoded; without `batch` it is a GET. */
export type OverFetch = (batch: readonly WireOperation[], ask: (path: string, batch?: readonly WireOperation[]) => Promise<unknown>) => Promise<unknown>;

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
  return new Driver(namespace, { nameOf, className: "StateDO" }, options);
}

/** A driver whose keys have an object each. */
export function objectPerKeyDriver(namespace: DurableObjectNamespaceLike, className: string, options: DurableObjectOptions, overFetch?: OverFetch): ObjectDriver {
  return new Driver(namespace, { nameOf: (key) => key, className, overFetch }, options);
}

/** {@link StateDriver.run} with the name of the object given. */
export interface ObjectDriver extends DurableObjectDriver {
  runIn(name: string, operation: Operation, signal?: AbortSignal): Promise<Reply[]>;
}

class Driver implements ObjectDriver {
  readonly name = "durable-object";
  readonly capabilities: DriverCapabilities;
  readonly #namespace: DurableObjectNamespaceLike;
  readonly #objects: Objects;
  readonly #lines: Map<string, ObjectLine> = new Map();
  readonly #timeoutMs: number;
  readonly #maxQueued: number;
  readonly #clock: Clock | undefined;
  readonly #sharing: boolean = canShareRequests();
  #rpc = true;
  #requests = 0;
  #commands = 0;
  #closed = false;

  constructor(namespace: DurableObjectNamespaceLike, objects: Objects, options: DurableObjectOptions) {
    this.#namespace = checkNamespace("namespace", namespace, objects.className);
    this.#objects = objects;
    this.#timeoutMs = checkPositive("timeoutMs", options.timeoutMs ?? 1000);
    this.#maxQueued = checkInteger("maxQueued", options.maxQueued ?? 10_000, 1);
    this.#clock = options.clock;
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: MAX_BYTES,
      shared: true,
      durability: "sync",
      combining: true,
    });
  }

  get stats(): { requests: number; commands: number } {
    return { requests: this.#requests, commands: this.#commands };
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    this.#open();
    const operations = batch.map((operation) => ({ ...operation, key: utf8Key(boundKey(operation.key)) }));
    if (operations.length === 1) return [await this.#run(operations[0] as Operation, signal)];
    const ends = await Promise.allSettled(operations.map((operation) => this.#run(operation, signal)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length > 0 && (failures.length === ends.length || signal?.aborted)) throw failures[0]?.reason;
    return ends.map((end, i) => (end.status === "fulfilled" ? end.value : failedReplies(batch[i] as Operation, end.reason)));
  }

  async runIn(name: string, operation: Operation, signal?: AbortSignal): Promise<Reply[]> {
    this.#open();
    return this.#line(name).run(operation, signal);
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

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #one(algorithm: Algorithm, key: string, command: unknown, options: RunOptions | undefined): Promise<unknown> {
    const [replies] = await this.run([{ algorithm, key, commands: [command] }], options);
    const reply = replies?.[0];
    if (reply instanceof Error) throw reply;
    return reply;
  }

  #run(operation: Operation, signal: AbortSignal | undefined): Promise<Reply[]> {
    return this.#line(this.#objects.nameOf(operation.key)).run(operation, signal);
  }

  #line(name: string): ObjectLine {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = new ObjectLine({
        name: `the Durable Object "${name.slice(0, 80)}"`,
        send: (batch) => this.#send(name, batch),
        sharing: this.#sharing,
        timeoutMs: this.#timeoutMs,
        maxQueued: this.#maxQueued,
        clock: this.#clock,
        onIdle: () => this.#lines.delete(name),
      });
      this.#lines.set(name, line);
    }
    return line;
  }

  async #send(name: string, batch: readonly WireOperation[]): Promise<unknown> {
    this.#requests++;
    for (const { commands } of batch) this.#commands += commands.length;
    // A stub per call: one that has failed stays broken, and workerd gives it to the request it was made in alone.
    const stub = this.#stub(name) as DurableObjectStubLike & { run?(batch: readonly WireOperation[]): Promise<unknown> };
    try {
      // Called as a method: anything else of a stub's property, `call` too, would be a name to ask the object for.
      if (this.#rpc && typeof stub.run === "function") return await stub.run(batch);
    } catch (error) {
      if (!isNoRpc(error)) throw objectFailure(error, this.#objects.className);
    }
    this.#rpc = false;
    const ask = (path: string, part?: readonly WireOperation[]): Promise<unknown> => this.#fetch(stub, path, part);
    return this.#objects.overFetch === undefined ? ask(RUN_PATH, batch) : this.#objects.overFetch(batch, ask);
  }

  async #fetch(stub: DurableObjectStubLike, path: string, batch: readonly WireOperation[] | undefined): Promise<unknown> {
    let status: number;
    let text: string;
    try {
      const response = (await stub.fetch(OBJECT_ORIGIN + path, batch === undefined ? undefined : { method: "POST", body: encodeValue(batch) })) as Response;
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw objectFailure(error, this.#objects.className);
    }
    const answer = decodeValue(text);
    if (typeof answer !== "object" || answer === null) throw new StoreError("STORE_CORRUPT", `an object of the class ${this.#objects.className} gave an answer that is no JSON (status ${status})`, { outcome: "unknown" });
    if (status === 200) return answer;
    const said = (answer as { error?: { message?: unknown } }).error?.message;
    throw new StoreError("STORE_UNAVAILABLE", `an object of the class ${this.#objects.className} answered ${status}${typeof said === "string" ? `: ${said}` : ""}`, { outcome: "unknown" });
  }

  #stub(name: string): DurableObjectStubLike {
    try {
      return this.#namespace.get(this.#namespace.idFromName(name));
    } catch (error) {
      throw objectFailure(error, this.#objects.className);
    }
  }

  #open(): void {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the durable object driver is closed", { outcome: "not-applied" });
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
