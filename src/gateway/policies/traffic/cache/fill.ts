/** One call of the upstream whose answer may go into the store. */

import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import { StoreFailure } from "../../../store-call.ts";
import { privateKey } from "./cache-key.ts";
import type { CachePort } from "./cache-port.ts";
import { type EntryMeta, ageFacts, entryRecord, passRecord } from "./entry.ts";
import type { Flight, FlightEnd } from "./flights.ts";
import { type NotStored, type StoragePlan, planStorage } from "./freshness.ts";
import type { Found } from "./lookup.ts";
import type { RequestFacts } from "./request-facts.ts";
import type { SiteState } from "./site-state.ts";
import { type Fields, refreshedFields, storedFields } from "../../../../core/stored-fields.ts";
import { type FillToken, type WriteTarget, writeResponse } from "./writer.ts";

/** What a fill needs of the exchange it belongs to. */
export interface FillOwner {
  readonly state: SiteState;
  readonly request: RequestFacts;
  readonly port: CachePort;
  readonly personal: boolean;
  readonly urlTag: string;
  readonly gateway: { readonly waitUntil: (promise: Promise<unknown>) => void };
  readonly now: number;
}

/** How long a fill may hold the lock of a shared store. */
export const LOCK_MS = 30_000;

/** How long others are told not to wait for a response that cannot be shared. */
const PASS_MS = 10_000;

export class Fill {
  readonly urlTag: string;
  readonly flightKey: string;
  token: FillToken | undefined;
  requestedAt = 0;
  respondedAt = 0;
  readonly #owner: FillOwner;
  readonly #found: Found;
  readonly #flight: Flight;

  constructor(owner: FillOwner, found: Found, flightKey: string, joinable: boolean) {
    this.#owner = owner;
    this.#found = found;
    this.flightKey = flightKey;
    this.urlTag = owner.urlTag;
    this.#flight = owner.port.flights.begin(flightKey, this.urlTag, joinable);
  }

  /** Somebody waits for it. */
  get awaited(): boolean {
    return this.#flight.waiters > 0;
  }

  /** The response is known to be stored, unless its body breaks. */
  filling(): void {
    this.#flight.filling = true;
  }

  plan(status: number, headers: Headers): StoragePlan | NotStored {
    const { request, personal, state } = this.#owner;
    const facts = { authenticated: request.authenticated, personalKey: personal, requestedAt: this.requestedAt, respondedAt: this.respondedAt };
    return planStorage(status, headers, facts, state.rules);
  }

  fields(headers: Headers, plan: StoragePlan): Fields {
    return storedFields(headers, { dropFields: plan.dropFields, own: this.#owner.state.ownFields, respondedAt: this.respondedAt });
  }

  /** Stores a whole response, then lets the others have it. */
  store(plan: StoragePlan, status: number, fields: Fields, body: Uint8Array, tags: readonly string[]): MaybePromise<void> {
    const record = entryRecord(status, fields, body, plan, this.respondedAt, tags);
    const written = this.#write(record, plan);
    return isPromise(written) ? written.then((result) => this.#stored(result, plan)) : this.#stored(written, plan);
  }

  /** What is stored, with the fields and the lifetime of a 304. */
  async refresh(record: CacheRecord, meta: EntryMeta, headers: Headers): Promise<{ record: CacheRecord; ageMs: number; stored: boolean }> {
    const { state } = this.#owner;
    const rules = { dropFields: meta.drop ?? [], own: state.ownFields, respondedAt: this.respondedAt };
    const fields = refreshedFields(record.headers, headers, rules);
    const merged = new Headers(fields.map(([name, value]): [string, string] => [name, value]));
    // The age is that of the answer that just came, not of the bytes.
    const age = headers.get("age");
    if (age !== null) merged.set("age", age);
    const plan = this.plan(record.status, merged);
    if (typeof plan === "string") {
      await this.drop();
      this.end("unshared");
      const kept: CacheRecord = { ...record, headers: fields, storedAt: this.respondedAt, freshUntil: this.respondedAt };
      return { record: kept, ageMs: 0, stored: false };
    }
    const next = entryRecord(record.status, fields, record.body, { ...plan, shared: plan.shared }, this.respondedAt, record.tags ?? []);
    const result = await this.#write(next, plan);
    this.#stored(result, plan);
    return { record: next, ageMs: ageFacts(next), stored: !(result instanceof StoreFailure) && !this.#flight.overtaken };
  }

  /** Drops what is stored: the upstream has replaced it by something that may not be kept. */
  async drop(): Promise<void> {
    await this.#owner.port.delete(this.#found.key);
    this.token = undefined;
  }

  /** Ends the fill and wakes who waits. Only the first end counts. */
  end(end: FlightEnd): void {
    if (this.#flight.settled) return;
    const { port, gateway, now } = this.#owner;
    if (end === "unshared") port.flights.pass(this.flightKey, now + PASS_MS);
    this.#flight.settle(end);
    const { token } = this;
    if (token === undefined) return;
    this.token = undefined;
    const free = end === "unshared" && port.store.capabilities?.shared !== false && this.#found.record === undefined ? this.#passOn(token, now) : port.unlock(token.key, token.token);
    if (isPromise(free)) gateway.waitUntil(free);
  }

  /** Tells other processes that there is nothing to wait for. */
  #passOn(token: FillToken, now: number): MaybePromise<void | StoreFailure> {
    return this.#owner.port.write(token.key, passRecord(now, PASS_MS), now, token.token, token.key);
  }

  #write(record: CacheRecord, plan: StoragePlan): MaybePromise<void | StoreFailure> {
    if (this.#flight.overtaken) return undefined;
    const { port, request, personal, state, now } = this.#owner;
    const { base } = this.#found;
    const target: WriteTarget = {
      base: this.#base(base, personal, plan, request),
      vary: plan.vary,
      request,
      maxVariants: state.config.maxVariants,
      urlTag: this.urlTag,
      random: state.site.random,
      now,
      token: this.token,
    };
    return writeResponse(port, record, target);
  }

  /** Where the response belongs: what may be shared under the shared key, the rest under the caller's own. */
  #base(base: string, personal: boolean, plan: StoragePlan, request: RequestFacts): string {
    if (!personal) return base;
    const own = this.#found.personal;
    if (plan.shared) return own ? base.slice(0, base.lastIndexOf("@")) : base;
    return own ? base : privateKey(base, request.caller);
  }

  #stored(result: void | StoreFailure, plan: StoragePlan): void {
    const stored = !(result instanceof StoreFailure) && !this.#flight.overtaken;
    // A write under the lock's own key has freed it.
    if (stored && plan.vary.length === 0 && this.token?.key === this.#found.base && !this.#owner.personal) this.token = undefined;
    this.end(stored ? "stored" : "failed");
  }
}
