/** The key-value store of the client surface on any driver: every verb is one step of one algorithm on one key. */

import { checkNonNegative, checkPositive, checkString, checkTtlMs } from "../../core/check.ts";
import { decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { type CursorAlgorithmCommand, type CursorPolicy, cursor } from "../algorithms/cursor.ts";
import { checkLeaseCommand, leaseSet } from "../algorithms/lease-set.ts";
import { type ValueCommand, type ValueReply, value } from "../algorithms/value.ts";
import type { DriverCapabilities, StateDriver } from "../contracts/driver.ts";
import type { CursorReply, LeaseReply, StitchStore } from "../contracts/key-value.ts";
import { compilePace } from "../pace.ts";
import { type Run, runnerOn } from "./runner.ts";

export interface KeyValueStoreOptions {
  /** Prefixed to every key. @default "" */
  readonly keyPrefix?: string;
  /** How commands reach a driver behind a wire, such as `createCombiner(driver).run`. @default one batch per command */
  readonly run?: Run;
  /**
   * Time of a call from when it was asked, in ms, also where it waits behind a batch that hangs; the batch goes on without it. Nobody
   * watches over these calls as a policy does over its own. Needs a `run` that passes its options on. @default 1000
   */
  readonly deadlineMs?: number;
  /** Called once by `close()`, for what was opened for this store alone. */
  readonly onClose?: () => Promise<void>;
}

/** A {@link StitchStore} with every verb. */
export interface KeyValueStore extends Required<StitchStore> {
  readonly capabilities: DriverCapabilities;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A key-value store on `driver`. Values are encoded once and copied in both directions; counters, leases and cursors are
 * exact. A key is used for one of them: `lease` on a key that holds a value rejects with `STORE_WRONG_TYPE`.
 *
 * @throws StoreError `STORE_CAPABILITY` for a driver whose steps are not atomic.
 *
 * @example
 * const store = keyValueStoreOn(memoryDriver(), { keyPrefix: "app:" });
 * await store.set("greeting", { text: "hello" }, 60_000);
 */
export function keyValueStoreOn(driver: StateDriver, options: KeyValueStoreOptions = {}): KeyValueStore {
  return new DriverStore(driver, options);
}

class DriverStore implements KeyValueStore {
  readonly capabilities: DriverCapabilities;
  readonly #prefix: string;
  readonly #run: Run;
  readonly #onClose: (() => Promise<void>) | undefined;
  #closing: Promise<void> | undefined;

  constructor(driver: StateDriver, options: KeyValueStoreOptions) {
    if (!driver.capabilities.atomic) {
      throw new StoreError("STORE_CAPABILITY", `the driver "${driver.name}" cannot carry counters and compareAndSet: its steps are not atomic; use one whose are, such as a Durable Object or memory`);
    }
    this.capabilities = driver.capabilities;
    this.#prefix = checkString("keyPrefix", options.keyPrefix ?? "");
    const deadlineMs = checkPositive("deadlineMs", options.deadlineMs ?? 1000);
    const run = runnerOn(driver, options.run);
    const plain = { deadlineMs };
    this.#run = driver.runSync !== undefined ? run : (algorithm, key, command, call) => run(algorithm, key, command, call === undefined ? plain : { deadlineMs, ...call });
    this.#onClose = options.onClose;
  }

  async get(key: string): Promise<unknown> {
    const { text } = await this.#value(key, { type: "get" });
    return text === undefined ? undefined : decodeValue(text);
  }

  async set(key: string, next: unknown, ttlMs?: number): Promise<void> {
    const ttl = checkTtlMs("ttlMs", ttlMs);
    await this.#value(key, { type: "set", text: this.#encode(next), ttlMs: ttl });
  }

  async incr(key: string, ttlMs?: number): Promise<number> {
    const ttl = checkTtlMs("ttlMs", ttlMs);
    const { count } = await this.#value(key, { type: "add", by: 1, ttlMs: ttl });
    return count as number;
  }

  increment(key: string, ttlMs?: number): Promise<number> {
    return this.incr(key, ttlMs);
  }

  async compareAndSet(key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean> {
    const ttl = checkTtlMs("ttlMs", ttlMs);
    const text = this.#encode(next);
    const { ok } = await this.#value(key, { type: "compareAndSet", expected: expected === undefined ? undefined : encodeValue(expected), text, ttlMs: ttl });
    return ok;
  }

  async lease(key: string, command: { readonly token: string; readonly limit: number; readonly ttlMs: number }): Promise<LeaseReply> {
    const { token, limit, ttlMs } = command;
    // A place that is given after its caller has gone would be nobody's until it ends; one that was renewed has its holder.
    return this.#run(leaseSet, this.#key(key), checkLeaseCommand({ token, limit, ttlMs }), { onLateReply: ({ held, renewed }) => void (held && renewed !== true && this.release(key, token).catch(() => undefined)) });
  }

  async release(key: string, token: string): Promise<boolean> {
    const { held } = await this.#run(leaseSet, this.#key(key), checkLeaseCommand({ release: token }));
    return held;
  }

  async reserve(key: string, command: Parameters<NonNullable<StitchStore["reserve"]>>[1]): Promise<CursorReply> {
    const { policy } = compilePace("burst" in command ? { spacingMs: command.spacingMs, burst: command.burst } : { spacingMs: command.spacingMs });
    // A state counts in units of which `p` make a millisecond. With whole spacings that is 1, so a pause or a backlog
    // outlives a change of the spacing; other units have a record of their own.
    const physical = this.#key(key);
    const record = policy.p === 1 ? physical : `=${policy.p}:${physical}`;
    const giveBack = async (refund: CursorReply["ticket"]): Promise<unknown> => refund === undefined ? undefined : this.#run(cursor, record, { policy, refund });
    return this.#run(cursor, record, cursorCommand(command, policy), { onLateReply: ({ ticket }) => void giveBack(ticket).catch(() => undefined) });
  }

  close(): Promise<void> {
    return (this.#closing ??= (async () => this.#onClose?.())());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #value(key: string, command: ValueCommand): Promise<ValueReply> {
    const reply = await this.#run(value, this.#key(key), command);
    if (reply instanceof Error) throw reply;
    return reply;
  }

  /** `keyPrefix + key`. One that begins like a digest of a long key, or like the mark, is marked: no two inputs meet. */
  #key(key: string): string {
    if (this.#closing !== undefined) throw new StoreError("STORE_CLOSED", "the key-value store is closed", { outcome: "not-applied" });
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    const physical = this.#prefix + key;
    return physical.startsWith("sha256=") || physical.startsWith("=") ? `=${physical}` : physical;
  }

  #encode(next: unknown): string | undefined {
    if (next === undefined) return undefined;
    const text = encodeValue(next);
    const max = this.capabilities.maxValueBytes;
    // A UTF-16 unit takes at most three bytes, so short texts need no measuring.
    if (text.length * 3 > max && (text.length > max || encodeText(text).length > max)) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `the value takes more than the ${max} bytes this store keeps under one key`, { outcome: "not-applied" });
    }
    return text;
  }
}

function cursorCommand(command: Parameters<NonNullable<StitchStore["reserve"]>>[1], policy: CursorPolicy): CursorAlgorithmCommand {
  if ("refund" in command) {
    if (typeof command.refund !== "object" || command.refund === null) throw new OptionError("refund", command.refund, "the ticket of a grant");
    return { policy, refund: command.refund };
  }
  if ("pauseMs" in command) return { policy, pauseMs: checkNonNegative("pauseMs", command.pauseMs) };
  const { cost, maxWaitMs } = command;
  return {
    policy,
    cost: cost === undefined ? 1 : checkNonNegative("cost", cost),
    maxWaitMs: maxWaitMs === undefined || maxWaitMs === Infinity ? undefined : checkNonNegative("maxWaitMs", maxWaitMs),
  };
}
