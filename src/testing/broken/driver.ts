/**
 * A plain driver for the tests of the suite, written apart from the product. With a flaw, which is the name of a rule,
 * it breaks that rule.
 */

import type { Clock } from "../../core/clock.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { Algorithm, DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts/driver.ts";

interface Stored {
  bytes: Uint8Array;
  version?: number;
  end: number;
}

export type DriverBackend = Map<string, Stored>;

const MAX_BYTES = 4096;

export class PlainDriver implements StateDriver {
  readonly name = "plain";
  readonly capabilities: DriverCapabilities;
  private readonly clock: Clock;
  private readonly map: DriverBackend;
  private readonly flaw: string | undefined;
  private closed = false;

  constructor(clock: Clock, map: DriverBackend, flaw?: string) {
    this.clock = clock;
    this.map = map;
    this.flaw = flaw;
    this.capabilities = { atomic: true, clock: this.is("capabilities/complete") ? (undefined as never) : "backend", minTtlMs: 1, maxValueBytes: MAX_BYTES, shared: true };
  }

  private is(flaw: string): boolean {
    return this.flaw === flaw;
  }

  private physical(key: unknown, kind: string): string {
    if (this.closed && !this.is("lifecycle/use-after-close")) throw new StoreError("STORE_CLOSED", "closed");
    if (typeof key !== "string" || key === "") {
      if (this.is("run/keys#empty")) return "";
      throw new OptionError("key", key, "a non-empty string");
    }
    return `${kind} ${this.is("run/keys") ? key.trim() : key}`;
  }

  private live(name: string): Stored | undefined {
    const stored = this.map.get(name);
    const late = this.is("time/expiry") ? 1 : this.is("run/lives-until-it-expires") ? -1 : 0;
    if (stored === undefined || this.clock.now() < stored.end + late) return stored;
    this.map.delete(name);
    return undefined;
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    if (!this.is("run/aborted")) options?.signal?.throwIfAborted();
    const replies: Reply[][] = [];
    for (const { algorithm, key, commands } of batch) {
      const order = this.is("run/order") ? commands.toReversed() : commands;
      try {
        const answers = this.is("run/concurrent") ? await this.loosely(algorithm, key, order) : this.all(algorithm, key, order);
        if (commands.length > 0 || !this.is("run/shape")) replies.push(answers);
      } catch (error) {
        if (this.is("run/one-failed-key")) throw error;
        replies.push(commands.map(() => error));
      }
    }
    return replies;
  }

  private all(algorithm: Algorithm, key: string, commands: readonly unknown[]): Reply[] {
    const name = this.physical(key, algorithm.name);
    let stored = this.live(name);
    if (stored !== undefined && stored.version !== algorithm.version && !this.is("run/other-version-is-corrupt")) throw new StoreError("STORE_CORRUPT", "another version");
    let state = stored === undefined ? undefined : algorithm.decode(stored.bytes);
    const first = state;
    let now = this.clock.now();
    const replies = commands.map((command) => {
      if (this.is("run/one-clock-reading")) now += 0.001;
      const step = algorithm.step(this.is("run/batches-are-serial") ? first : state, command, now);
      state = step.state;
      stored = state === undefined ? undefined : { bytes: algorithm.encode(state), version: algorithm.version, end: step.expiresAt ?? Number.POSITIVE_INFINITY };
      if (this.is("run/failure-applies-nothing")) this.keep(name, stored);
      return step.reply;
    });
    this.keep(name, stored);
    return replies;
  }

  /** Reads, waits, then writes. */
  private async loosely(algorithm: Algorithm, key: string, commands: readonly unknown[]): Promise<Reply[]> {
    const name = this.physical(key, algorithm.name);
    const before = this.map.get(name);
    const replies = this.all(algorithm, key, commands);
    const after = this.map.get(name);
    this.keep(name, before);
    await undefined;
    this.keep(name, after);
    return replies;
  }

  private keep(name: string, stored: Stored | undefined): void {
    if (stored !== undefined) this.map.set(name, stored);
    else if (!this.is("run/state-undefined-deletes")) this.map.delete(name);
  }

  runSync<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R {
    return this.all(algorithm as Algorithm, this.is("run/sync-is-the-same") ? `${key} sync` : key, [command])[0] as R;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const stored = this.live(this.physical(key, "value"));
    return this.is("values/copied#out") ? stored?.bytes : stored?.bytes.slice();
  }

  async set(key: string, value: Uint8Array, ttlMs?: number): Promise<void> {
    const name = this.physical(key, "value");
    if (ttlMs !== undefined && !this.is("time/set-refuses-a-bad-ttl") && !(typeof ttlMs === "number" && ttlMs > 0 && Number.isFinite(ttlMs))) throw new OptionError("ttlMs", ttlMs, "above 0");
    if (value.length > MAX_BYTES && !this.is("values/oversize-is-refused")) throw new StoreError("STORE_VALUE_TOO_LARGE", "too large");
    if (value.length === 0 && this.is("values/round-trip")) return;
    const old = this.live(name);
    const end = ttlMs === undefined ? (this.is("time/overwrite-clears-the-ttl") ? (old?.end ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY) : this.clock.now() + Math.ceil(ttlMs);
    this.map.set(name, { bytes: this.is("values/copied") ? value : value.slice(), end });
  }

  async delete(key: string): Promise<boolean> {
    const name = this.physical(key, "value");
    const had = this.live(name) !== undefined;
    this.map.delete(name);
    return had || this.is("values/delete");
  }

  async close(): Promise<void> {
    if (this.closed && this.is("lifecycle/close-twice")) throw new Error("already closed");
    this.closed = true;
    if (this.is("lifecycle/close-leaves-the-others")) this.map.clear();
  }
}
