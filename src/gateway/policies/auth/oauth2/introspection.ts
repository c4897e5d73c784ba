/** Asks an authorization server about tokens (RFC 7662), and remembers what it said of active ones for a while. */

import type { Clock } from "../../../../core/clock.ts";
import { encodeText, toBase64 } from "../../../../core/codec.ts";
import { sha256Hex } from "../../../../core/digest.ts";
import { createSingleFlight } from "../../../../resilience/single-flight.ts";
import { GatewayError } from "../../../errors.ts";
import { fetchText } from "../../../fetch-within.ts";
import type { TokenInfo } from "../oauth2.ts";

export interface IntrospectionOptions {
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly cacheTtlSeconds?: number;
  readonly cacheMaxEntries?: number;
  readonly introspectionTimeoutMs?: number;
}

interface Remembered {
  readonly info: TokenInfo;
  /** On the monotonic clock, so that setting the machine's clock prolongs nothing. */
  readonly until: number;
}

let generation = 0;

export function forgetIntrospections(): void {
  generation++;
}

export class Introspection {
  readonly #url: string;
  readonly #options: IntrospectionOptions;
  readonly #clock: Clock;
  /** Least recently used first. Keys are digests: a dump of the memory holds no token. */
  #remembered: Map<string, Remembered> = new Map();
  #generation = generation;
  readonly #flights = createSingleFlight<TokenInfo | undefined>();

  constructor(url: string, options: IntrospectionOptions, clock: Clock) {
    this.#url = url;
    this.#options = options;
    this.#clock = clock;
  }

  /** What is known of an active token; `undefined` for any other. Throws 502 `introspection_error`. */
  async ask(token: string): Promise<TokenInfo | undefined> {
    const ttlMs = (this.#options.cacheTtlSeconds ?? 0) * 1000;
    if (ttlMs === 0) return this.#introspect(token);
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#remembered = new Map();
    }
    const key = sha256Hex(token);
    const known = this.#remembered.get(key);
    if (known !== undefined) {
      this.#remembered.delete(key);
      if (this.#clock.monotonic() < known.until) {
        this.#remembered.set(key, known);
        return known.info;
      }
    }
    return this.#flights.run(key, async () => {
      const info = await this.#introspect(token);
      if (info !== undefined) this.#remember(key, info, ttlMs);
      return info;
    });
  }

  #remember(key: string, info: TokenInfo, ttlMs: number): void {
    const left = typeof info.exp === "number" ? info.exp * 1000 - this.#clock.now() : Number.POSITIVE_INFINITY;
    const forMs = Math.min(ttlMs, left);
    if (!(forMs > 0)) return;
    this.#remembered.set(key, { info, until: this.#clock.monotonic() + forMs });
    if (this.#remembered.size > (this.#options.cacheMaxEntries ?? 100)) this.#remembered.delete(this.#remembered.keys().next().value as string);
  }

  async #introspect(token: string): Promise<TokenInfo | undefined> {
    const { clientId, clientSecret, introspectionTimeoutMs } = this.#options;
    const headers: Record<string, string> = { "content-type": "application/x-www-form-urlencoded", accept: "application/json" };
    const form = new URLSearchParams({ token, token_type_hint: "access_token" });
    // RFC 6749 2.3.1: both halves are form-encoded before they are joined.
    if (clientId !== undefined && clientSecret !== undefined) headers.authorization = `Basic ${toBase64(encodeText(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`))}`;
    else if (clientId !== undefined) form.set("client_id", clientId);
    let answer: unknown;
    try {
      const { status, text } = await fetchText(this.#url, { method: "POST", headers, body: form.toString() }, { clock: this.#clock, timeoutMs: introspectionTimeoutMs ?? 5000 });
      if (status !== 200) throw new Error(`The introspection was answered with status ${status}`);
      answer = JSON.parse(text);
      if (typeof answer !== "object" || answer === null || Array.isArray(answer)) throw new TypeError("The introspection was answered with no JSON object");
    } catch (error) {
      throw new GatewayError(502, "introspection_error", "The access token could not be checked", undefined, { cause: error });
    }
    return (answer as TokenInfo).active === true ? (answer as TokenInfo) : undefined;
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}
