/** Tokens of a strategy: read from the vault, renewed by one caller of the fleet while the others wait. */

import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { createSingleFlight, type SingleFlight } from "../../resilience/single-flight.ts";
import { StitchError } from "../errors.ts";
import type { AuthContext } from "./strategy.ts";

/** What a token endpoint gave, as it is kept. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly tokenType?: string;
  /** Epoch ms; absent: until it is refused, at most an hour. */
  readonly expiresAt?: number;
  readonly issuedAt: number;
}

/** Gets new tokens; `old` is what there was. */
export type Renew = (context: AuthContext, old: Tokens | undefined) => Promise<Tokens>;

/** Longest use of a token whose lifetime nobody told. */
const UNKNOWN_LIFETIME_MS = 3_600_000;
const LOCK_MS = 30_000;
const MAX_HELD = 10_000;

export class TokenKeeper {
  readonly #flights: SingleFlight<Tokens> = createSingleFlight<Tokens>();
  /** The last token of each key, so that a call costs no round trip. */
  readonly #held = new Map<string, Tokens>();
  readonly #skewMs: number;
  readonly #renew: Renew;

  constructor(skewMs: number, renew: Renew) {
    this.#skewMs = skewMs;
    this.#renew = renew;
  }

  /** A token that is good now. */
  get(key: string, context: AuthContext): MaybePromise<Tokens> {
    const held = this.#held.get(key);
    if (held !== undefined && this.#good(held, context)) return held;
    return this.#single(key, context, undefined);
  }

  /** A token other than the one that was refused. */
  replace(key: string, context: AuthContext, refused: string | undefined): Promise<Tokens> {
    const held = this.#held.get(key);
    if (held !== undefined && held.accessToken !== refused && this.#good(held, context)) return Promise.resolve(held);
    return this.#single(key, context, refused);
  }

  #good({ expiresAt, issuedAt }: Tokens, { clock }: AuthContext): boolean {
    const now = clock.now();
    if (expiresAt === undefined) return now - issuedAt < UNKNOWN_LIFETIME_MS;
    return now < expiresAt - Math.min(this.#skewMs, (expiresAt - issuedAt) / 4);
  }

  /** One renewal per key: who joined waits with a deadline of its own, and one who leaves takes nobody along. */
  #single(key: string, context: AuthContext, refused: string | undefined): Promise<Tokens> {
    return this.#flights.run(key, (signal) => {
      // The context of the first caller, but not its signal: others may wait when it has left.
      const own: AuthContext = Object.create(context, { signal: { value: signal } }) as AuthContext;
      return this.#obtain(key, own, refused);
    }, context.signal);
  }

  async #obtain(key: string, context: AuthContext, refused: string | undefined): Promise<Tokens> {
    const usable = (tokens: Tokens | undefined): Tokens | undefined => (tokens !== undefined && tokens.accessToken !== refused && this.#good(tokens, context) ? tokens : undefined);
    const first = tokensOf((await context.vault.read(key)).value);
    const ready = usable(first);
    if (ready !== undefined) return this.#hold(key, ready, context);
    return context.vault.exclusively(key, LOCK_MS, context.signal, async (locked, lost) => {
      const { value, stored } = await context.vault.read(key);
      const known = tokensOf(value);
      const fresh = usable(known);
      if (fresh !== undefined) return this.#hold(key, fresh, context);
      if (!locked && known?.refreshToken !== undefined) throw new StitchError("STORE_UNAVAILABLE", "a refresh token that is used up by its use cannot be renewed without the store's lock", { sent: false, retryable: true });
      // Another process renews, with the same refresh token.
      lost.throwIfAborted();
      let tokens: Tokens;
      try {
        tokens = await this.#renew(context, known);
      } catch (error) {
        // The pair that was refused goes, but no newer one.
        if (known !== undefined && (error as { invalidGrant?: boolean }).invalidGrant === true) await context.vault.replace(key, stored, undefined).catch(() => false);
        throw error;
      }
      // Stored before it is used: a rotated refresh token that only this process knows is lost with it.
      const written = await context.vault.replace(key, stored, tokens);
      if (!written) {
        const newer = usable(tokensOf((await context.vault.read(key)).value));
        if (newer !== undefined) return this.#hold(key, newer, context);
        await context.vault.write(key, tokens);
      }
      return this.#hold(key, tokens, context);
    });
  }

  #hold(key: string, tokens: Tokens, context: AuthContext): Tokens {
    context.hide(tokens.accessToken);
    if (tokens.refreshToken !== undefined) context.hide(tokens.refreshToken);
    if (this.#held.size >= MAX_HELD) this.#held.delete(this.#held.keys().next().value as string);
    this.#held.set(key, tokens);
    return tokens;
  }
}

function tokensOf(value: unknown): Tokens | undefined {
  const like = value as Partial<Tokens> | null | undefined;
  return typeof like === "object" && like !== null && typeof like.accessToken === "string" && typeof like.issuedAt === "number" ? (like as Tokens) : undefined;
}

/** Runs `next` now, or when the token is there. */
export function withToken<T>(tokens: MaybePromise<Tokens>, next: (tokens: Tokens) => T): MaybePromise<T> {
  return isPromise(tokens) ? tokens.then(next) : next(tokens);
}
