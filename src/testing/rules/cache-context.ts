/** What the rules on a response cache are given. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { CacheRecord, CacheStore } from "../../state/contracts/cache.ts";
import { expect, expectEqual, optional, show, type ContractOptions, type RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";

export interface CacheStoreContractOptions extends ContractOptions {
  /** A store that keeps at most `maxEntries` entries. Without it: no rules on the bound. */
  readonly bounded?: (maxEntries: number) => MaybePromise<CacheStore>;
  /** Nothing else is in the backend, so that everything may be purged. @default whether the store shares nothing */
  readonly exclusive?: boolean;
}

export interface CacheContext extends RuleBase, Subjects<CacheStore> {
  readonly options: CacheStoreContractOptions;
}

/** Long enough that nothing ends by itself while a rule runs. */
export const LONG_S = 600;

export function recordOf(c: CacheContext, text: string, changes: Partial<CacheRecord> = {}): CacheRecord {
  const now = c.time.now();
  return { status: 200, headers: [["content-type", "text/plain"]], body: new TextEncoder().encode(text), storedAt: now, freshUntil: now + 600_000, keepUntil: now + 600_000, ...changes };
}

export interface Records {
  read(key: string): Promise<CacheRecord | undefined>;
  /** The body of what is kept, as text. */
  text(key: string): Promise<string | undefined>;
  write(key: string, record: CacheRecord, fillToken?: string): Promise<void>;
}

export function recordsOf(store: CacheStore): Records {
  const read = optional(store.read?.bind(store), "read");
  const write = optional(store.write?.bind(store), "write");
  return {
    read: async (key) => read(key),
    text: async (key) => {
      const record = await read(key);
      return record === undefined ? undefined : new TextDecoder().decode(record.body);
    },
    write: async (key, record, fillToken) => write(key, record, fillToken),
  };
}

/** The token of a lock that must be free. */
export async function fillOf(store: CacheStore, key: string, lockMs: number, what: string): Promise<string> {
  const answer = await optional(store.lock?.bind(store), "lock")(key, lockMs);
  expect(answer.kind === "fill", () => `${what}: expected to fill, got ${show(answer)}`);
  return (answer as { token: string }).token;
}

export async function expectHit(store: CacheStore, key: string, body: string, what: string): Promise<Response> {
  const response = await store.get(key);
  // Not `instanceof`: a process can have two classes of it.
  expect(typeof response?.status === "number" && typeof response.headers?.get === "function", `${what}: expected a Response, got ${show(response)}`);
  expectEqual(await (response as Response).clone().text(), body, `${what}: the body`);
  return response as Response;
}

export async function expectMiss(store: CacheStore, key: string, what: string): Promise<void> {
  const response = await store.get(key);
  expect(response === undefined || response === null, `${what}: expected nothing, got ${show(response)}`);
}

export async function isMiss(store: CacheStore, key: string): Promise<boolean> {
  return ((await store.get(key)) ?? undefined) === undefined;
}
