/** What reaches the objects of a namespace: a line of waiting calls each, RPC where there is RPC, requests elsewhere. */

import { checkInteger, checkPositive } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import { decodeValue, encodeValue } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { DriverCapabilities, Operation, Reply } from "../../state/contracts/driver.ts";
import { checkNamespace } from "./bindings.ts";
import { ObjectLine } from "./line.ts";
import { isNoRpc, objectFailure } from "./object-failure.ts";
import { MAX_BYTES } from "./object/max-bytes.ts";
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

/** `ask`: sends a request and gives what it was answered, decoded; without `batch` it is a GET. */
export type OverFetch = (batch: readonly WireOperation[], ask: (path: string, batch?: readonly WireOperation[]) => Promise<unknown>) => Promise<unknown>;

/** Calls to objects by their names. `className` is what errors call their class. */
export class ObjectCalls {
  readonly name: string = "durable-object";
  readonly capabilities: DriverCapabilities;
  readonly #namespace: DurableObjectNamespaceLike;
  readonly #className: string;
  readonly #overFetch: OverFetch | undefined;
  readonly #lines: Map<string, ObjectLine> = new Map();
  readonly #timeoutMs: number;
  readonly #maxQueued: number;
  readonly #clock: Clock | undefined;
  readonly #sharing: boolean = canShareRequests();
  #rpc = true;
  #requests = 0;
  #commands = 0;
  #closed = false;

  /** `overFetch` runs a batch on an object that has no RPC. @default as one POST */
  constructor(namespace: DurableObjectNamespaceLike, className: string, options: DurableObjectOptions, overFetch?: OverFetch) {
    this.#namespace = checkNamespace("namespace", namespace, className);
    this.#className = className;
    this.#overFetch = overFetch;
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

  /** Requests to objects, and commands in them, so far. */
  get stats(): { readonly requests: number; readonly commands: number } {
    return { requests: this.#requests, commands: this.#commands };
  }

  /** Runs one operation in the object of that name. */
  async runIn(name: string, operation: Operation, signal?: AbortSignal): Promise<Reply[]> {
    this.open();
    return this.#line(name).run(operation, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Throws `STORE_CLOSED` once it is. */
  protected open(): void {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the durable object driver is closed", { outcome: "not-applied" });
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
      if (!isNoRpc(error)) throw objectFailure(error, this.#className);
    }
    this.#rpc = false;
    const ask = (path: string, part?: readonly WireOperation[]): Promise<unknown> => this.#fetch(stub, path, part);
    return this.#overFetch === undefined ? ask(RUN_PATH, batch) : this.#overFetch(batch, ask);
  }

  async #fetch(stub: DurableObjectStubLike, path: string, batch: readonly WireOperation[] | undefined): Promise<unknown> {
    let status: number;
    let text: string;
    try {
      const response = (await stub.fetch(OBJECT_ORIGIN + path, batch === undefined ? undefined : { method: "POST", body: encodeValue(batch) })) as Response;
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw objectFailure(error, this.#className);
    }
    const answer = decodeValue(text);
    if (typeof answer !== "object" || answer === null) throw new StoreError("STORE_CORRUPT", `an object of the class ${this.#className} gave an answer that is no JSON (status ${status})`, { outcome: "unknown" });
    if (status === 200) return answer;
    const said = (answer as { error?: { message?: unknown } }).error?.message;
    throw new StoreError("STORE_UNAVAILABLE", `an object of the class ${this.#className} answered ${status}${typeof said === "string" ? `: ${said}` : ""}`, { outcome: "unknown" });
  }

  #stub(name: string): DurableObjectStubLike {
    try {
      return this.#namespace.get(this.#namespace.idFromName(name));
    } catch (error) {
      throw objectFailure(error, this.#className);
    }
  }
}
