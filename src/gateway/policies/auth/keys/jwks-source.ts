/** Key sets behind a URL: fetched once for all who wait, kept for a while, and kept longer when a refresh fails. */

import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet } from "jose";
import type { Clock } from "../../../../core/clock.ts";
import { createSingleFlight } from "../../../../resilience/single-flight.ts";
import { GatewayError } from "../../../errors.ts";
import { fetchText } from "../../../fetch-within.ts";

export interface JwksOptions {
  readonly clock: Clock;
  /** How long a set is used without asking again, in ms. */
  readonly ttlMs: number;
  /** Least time between two requests that an unknown key or a failed refresh causes, in ms. */
  readonly cooldownMs: number;
  readonly timeoutMs: number;
}

/** What a token says about its key. */
export interface KeyHint {
  readonly alg: string;
  readonly kid?: unknown;
}

type LocalSet = ReturnType<typeof createLocalJWKSet>;

/** Most sets kept at once; the ones used least recently go first. */
const MAX_SETS = 100;
/** First pause after a failure while there is no set at all; each further one is twice as long, up to the cool-down. */
const FIRST_PAUSE_MS = 1000;
/** Keys tried for a token that names none. */
const MAX_CANDIDATES = 16;

let sources: WeakMap<Clock, Map<string, JwksSource>> = /* @__PURE__ */ new WeakMap();

/** The source of a URL, shared by all policies of this process that use it on the same clock. */
export function jwksSource(url: string, clock: Clock): JwksSource {
  let known = sources.get(clock);
  if (known === undefined) sources.set(clock, (known = new Map()));
  const source = known.get(url) ?? new JwksSource(url);
  known.delete(url);
  known.set(url, source);
  if (known.size > MAX_SETS) known.delete(known.keys().next().value as string);
  return source;
}

/** Forgets every key set, for tests and after a rotation that must not wait. */
export function forgetJwks(): void {
  sources = new WeakMap();
}

export class JwksSource {
  readonly #url: string;
  readonly #flights = createSingleFlight<void>();
  #set: LocalSet | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  /** When a failed refresh or an unknown key last made us ask. */
  #askedAt = Number.NEGATIVE_INFINITY;

  /** The latest failure while there was no set. */
  #failed: { readonly cause: unknown; readonly times: number; readonly until: number } | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** The keys a token may have been signed with; none when the set has no such key. Throws 502 `jwks_error` when there is no set. */
  async keys(hint: KeyHint, options: JwksOptions): Promise<readonly CryptoKey[]> {
    const fresh = await this.#refreshed(options);
    const found = await this.#find(hint);
    if (found.length > 0 || fresh || this.#cooling(options)) return found;
    this.#askedAt = options.clock.monotonic();
    // The set that is there still answers for the keys it has.
    await this.#fetch(options).catch(() => {});
    return this.#find(hint);
  }

  /** Makes sure there is a set; true when it was fetched just now. */
  async #refreshed(options: JwksOptions): Promise<boolean> {
    const age = options.clock.monotonic() - this.#fetchedAt;
    if (this.#set !== undefined && (age < options.ttlMs || this.#cooling(options))) return false;
    const before = this.#set === undefined ? this.#failed : undefined;
    if (before !== undefined && options.clock.monotonic() < before.until) throw unavailable(before.cause);
    try {
      await this.#fetch(options);
      this.#failed = undefined;
      return true;
    } catch (error) {
      if (this.#set === undefined) {
        // Whoever waited for the same fetch has failed with it, once.
        if (this.#failed === before) {
          const times = (before?.times ?? 0) + 1;
          this.#failed = { cause: error, times, until: options.clock.monotonic() + Math.min(options.cooldownMs, FIRST_PAUSE_MS * 2 ** Math.min(times - 1, 20)) };
        }
        throw unavailable(error);
      }
      this.#askedAt = options.clock.monotonic();
      return false;
    }
  }

  #cooling(options: JwksOptions): boolean {
    return options.clock.monotonic() - this.#askedAt < options.cooldownMs;
  }

  #fetch({ clock, timeoutMs }: JwksOptions): Promise<void> {
    return this.#flights.run("", async () => {
      const { status, text } = await fetchText(this.#url, { headers: { accept: "application/jwk-set+json, application/json" } }, { clock, timeoutMs });
      if (status !== 200) throw new Error(`The key set was answered with status ${status}`);
      this.#set = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      this.#fetchedAt = clock.monotonic();
    });
  }

  async #find({ alg, kid }: KeyHint): Promise<readonly CryptoKey[]> {
    const set = this.#set as LocalSet;
    try {
      return [await set({ alg, ...(typeof kid === "string" ? { kid } : undefined) })];
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return [];
      const keys: CryptoKey[] = [];
      for await (const key of error) if (keys.push(key) === MAX_CANDIDATES) break;
      return keys;
    }
  }
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError(502, "jwks_error", "The signing keys could not be fetched", undefined, { cause });
}
