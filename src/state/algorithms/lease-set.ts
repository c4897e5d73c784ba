/**
 * Lease set: at most `limit` holders at any instant, each known by its own token. Semaphores, locks and probes.
 *
 * A holder that does not renew is gone after `ttlMs`. A held token renews: it keeps its fence and takes no second place. The
 * fence of a new holder is `max(last + 1, floor(now) * 1024)`, so it grows with every new holder and, as a record is
 * kept for an hour after its last lease, also over the loss of the record: whoever writes under a lease sends its fence
 * along, and what it writes to refuses a smaller one (M. Kleppmann, "How to do distributed locking", 2016).
 *
 * Exact: the limit holds at every instant of the driver's clock, and a free place is granted at once. Expired holders never
 * count; a refusal leaves them where they are, as it writes nothing. A clock that steps back moves all expiries back.
 */

import { checkInteger, checkString, checkWindowMs } from "../../core/check.ts";
import { decodeText, encodeText } from "../../core/codec.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import type { LeaseReply } from "../contracts/key-value.ts";
import { defineAlgorithm } from "../define-algorithm.ts";

export interface LeaseHolder {
  readonly token: string;
  readonly expiresAt: number;
  readonly fence: number;
}

export interface LeaseSetState {
  readonly holders: readonly LeaseHolder[];
  readonly lastFence: number;
  /** Latest expiry of any lease so far. */
  readonly until: number;
  /** The instant of the last write. */
  readonly seen: number;
}

export type LeaseCommand =
  /** Takes a place, or renews the token's own. */
  | { readonly token: string; readonly limit: number; readonly ttlMs: number }
  /** Renews only: an expired or released token is not held. */
  | { readonly renew: string; readonly ttlMs: number }
  | { readonly release: string };

/** Most holders of one set. With {@link MAX_LEASE_TOKEN_BYTES} it keeps a record below 64 KiB, the smallest value limit of a backend. */
export const MAX_LEASE_LIMIT = 512;
export const MAX_LEASE_TOKEN_BYTES = 80;

const KEEP_MS = 3_600_000;
const FENCES_PER_MS = 1024;
/** Per holder: its token, its length, two instants in base 36, separators. */
const HOLDER_BYTES: number = MAX_LEASE_TOKEN_BYTES + 30;

export const leaseSet: Algorithm<LeaseSetState, LeaseCommand, LeaseReply> = /* @__PURE__ */ defineAlgorithm<LeaseSetState, LeaseCommand, LeaseReply>({
  name: "lease-set",
  version: 1,
  maxStateBytes: 64 + MAX_LEASE_LIMIT * HOLDER_BYTES,
  step,
  encode,
  decode,
  limiting: (state, now) => state.holders.some((holder) => holder.expiresAt > now),
});

/**
 * Checks a command before a driver is asked; `step` assumes checked ones. @throws OptionError for a token that is empty or longer
 * than 80 bytes, a limit outside 1 to 512, or a `ttlMs` outside 1 ms to 400 days.
 */
export function checkLeaseCommand(command: LeaseCommand): LeaseCommand {
  if ("release" in command) return { release: checkToken("release", command.release) };
  const ttlMs = checkWindowMs("ttlMs", command.ttlMs);
  if ("renew" in command) return { renew: checkToken("renew", command.renew), ttlMs };
  return { token: checkToken("token", command.token), limit: checkInteger("limit", command.limit, 1, MAX_LEASE_LIMIT), ttlMs };
}

function checkToken(option: string, value: unknown): string {
  const token = checkString(option, value);
  const fits = token.length > 0 && token.length <= MAX_LEASE_TOKEN_BYTES && encodeText(token).length <= MAX_LEASE_TOKEN_BYTES;
  // A lone surrogate has no UTF-8 form: two such tokens would be one.
  if (!fits || !isWellFormed(token)) throw new OptionError(option, value, `well-formed text of 1 to ${MAX_LEASE_TOKEN_BYTES} UTF-8 bytes`);
  return token;
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function step(state: LeaseSetState | undefined, command: LeaseCommand, now: number): Step<LeaseSetState, LeaseReply> {
  const base = state === undefined ? undefined : reanchored(state, now);
  const live = base === undefined ? [] : base.holders.filter((holder) => holder.expiresAt > now);
  if ("release" in command) return release(base, live, command.release, now);
  const token = "renew" in command ? command.renew : command.token;
  const expiresAt = Math.ceil(now) + command.ttlMs;
  const held = live.find((holder) => holder.token === token);
  if (held !== undefined) {
    const holders = live.map((holder) => (holder === held ? { token, expiresAt, fence: held.fence } : holder));
    const { state, reply, expiresAt: endsAt } = written(base, holders, held.fence, expiresAt, now);
    return { state, reply: { ...reply, renewed: true }, expiresAt: endsAt };
  }
  if ("renew" in command || live.length >= command.limit) {
    const soonest = live.reduce((least, holder) => Math.min(least, holder.expiresAt), Infinity);
    const retryInMs = "renew" in command || soonest === Infinity ? 0 : Math.ceil(soonest - now);
    return { state: base, reply: { held: false, fence: base?.lastFence ?? 0, retryInMs }, expiresAt: base && base.until + KEEP_MS };
  }
  const fence = Math.max((base?.lastFence ?? 0) + 1, Math.floor(now) * FENCES_PER_MS);
  return written(base, [...live, { token, expiresAt, fence }], fence, expiresAt, now);
}

function release(base: LeaseSetState | undefined, live: readonly LeaseHolder[], token: string, now: number): Step<LeaseSetState, LeaseReply> {
  const reply = { held: false, fence: base?.lastFence ?? 0, retryInMs: 0 };
  const held = live.find((holder) => holder.token === token);
  if (base === undefined || held === undefined) return { state: base, reply, expiresAt: base && base.until + KEEP_MS };
  const state = { ...base, holders: live.filter((holder) => holder !== held), seen: Math.floor(now) };
  return { state, reply: { ...reply, held: true, fence: held.fence }, expiresAt: state.until + KEEP_MS };
}

function written(base: LeaseSetState | undefined, holders: readonly LeaseHolder[], fence: number, expiresAt: number, now: number): Step<LeaseSetState, LeaseReply> {
  const state = {
    holders,
    lastFence: Math.max(base?.lastFence ?? 0, fence),
    until: Math.max(base?.until ?? 0, expiresAt),
    seen: Math.floor(now),
  };
  return { state, reply: { held: true, fence, retryInMs: 0 }, expiresAt: state.until + KEEP_MS };
}

/** The same object unless the clock is behind: then every instant moves back with it. */
function reanchored(state: LeaseSetState, now: number): LeaseSetState {
  const behind = state.seen - Math.floor(now);
  if (behind <= 0) return state;
  return {
    holders: state.holders.map(({ token, expiresAt, fence }) => ({ token, expiresAt: expiresAt - behind, fence })),
    lastFence: state.lastFence,
    until: state.until - behind,
    seen: state.seen - behind,
  };
}

/** `lastFence,until,seen` in base 36, then per holder `length:token`, its expiry and its fence as what is missing to the last one. */
function encode(state: LeaseSetState): Uint8Array {
  let text = `${state.lastFence.toString(36)},${state.until.toString(36)},${state.seen.toString(36)};`;
  for (const { token, expiresAt, fence } of state.holders) {
    text += `${token.length}:${token}${expiresAt.toString(36)},${(state.lastFence - fence).toString(36)};`;
  }
  return encodeText(text);
}

function decode(bytes: Uint8Array): LeaseSetState {
  const text = decodeText(bytes);
  let at = 0;
  const until = (mark: string): string => {
    const end = text.indexOf(mark, at);
    if (end < 0) throw corrupt();
    const part = text.slice(at, end);
    at = end + 1;
    return part;
  };
  const lastFence = integer(until(","), 36);
  const lastExpiry = integer(until(","), 36);
  const seen = integer(until(";"), 36);
  const holders: LeaseHolder[] = [];
  while (at < text.length) {
    const length = integer(until(":"), 10);
    const token = text.slice(at, at + length);
    at += length;
    const expiresAt = integer(until(","), 36);
    holders.push({ token, expiresAt, fence: lastFence - integer(until(";"), 36) });
  }
  return { holders, lastFence, until: lastExpiry, seen };
}

function integer(text: string, radix: number): number {
  const value = parseInt(text, radix);
  if (!Number.isSafeInteger(value) || value.toString(radix) !== text) throw corrupt();
  return value;
}

function corrupt(): StoreError {
  return new StoreError("STORE_CORRUPT", "the stored state of a lease set is damaged and cannot be decoded");
}
