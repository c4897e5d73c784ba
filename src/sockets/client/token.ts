/** Tokens of a client: which one, until when, and when the next is asked for. */

import type { Clock, TimerHandle } from "../../core/clock.ts";

/** A token, and when it ends where that is known, epoch ms. */
export interface DatedToken {
  readonly token: string;
  readonly expiresAt?: number;
}

/** A new one is asked for no sooner than this after the last, in ms: one that is over at once must not be asked for without end. */
const LEAST_MS = 1000;

/** What `getToken` gave. The end of a JWT stands in it: `exp` (RFC 7519, section 4.1.4), read and not believed. */
export function datedToken(given: string | DatedToken): DatedToken {
  if (typeof given !== "string") return given;
  const claims = given.split(".")[1];
  if (claims === undefined) return { token: given };
  try {
    const { exp } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: unknown };
    return typeof exp === "number" && Number.isFinite(exp) ? { token: given, expiresAt: exp * 1000 } : { token: given };
  } catch {
    return { token: given };
  }
}

/** Asks for the next token before the one in use ends. */
export class TokenRenewal {
  readonly #clock: Clock;
  readonly #beforeMs: number;
  readonly #renew: () => Promise<DatedToken | undefined>;
  #timer: TimerHandle;

  /** `renew` fetches and sends; `undefined` when there is nothing more to do. */
  constructor(clock: Clock, beforeMs: number, renew: () => Promise<DatedToken | undefined>) {
    this.#clock = clock;
    this.#beforeMs = beforeMs;
    this.#renew = renew;
  }

  watch({ expiresAt }: DatedToken): void {
    this.stop();
    if (expiresAt === undefined) return;
    this.#timer = this.#clock.setTimeout(() => {
      this.#renew().then(
        (next) => next !== undefined && this.watch(next),
        // Whoever gives tokens may be away for a moment; there is time until the old one ends.
        () => this.watch({ token: "", expiresAt: this.#clock.now() + this.#beforeMs + LEAST_MS }),
      );
    }, Math.max(LEAST_MS, expiresAt - this.#beforeMs - this.#clock.now()), true);
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }
}
