/** Decisions of the built-in policies as verdicts on messages that need not be HTTP. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import { mergeIdentity } from "../identity.ts";
import type { AuthDecision } from "../policies/auth/authorize.ts";
import { CONTINUE, type Mutation, type PolicyInput, type PolicyResult } from "./protocol.ts";

/** Goes on where `error` is nothing; else it is thrown, and becomes the rejection its HTTP answer would be. */
export function orReject(error: unknown): PolicyResult {
  if (error !== undefined) throw error;
  return CONTINUE;
}

/**
 * What an auth policy says: throws the refusal, or names the caller and sets what is forwarded. `owned` are fields that
 * only the policy may set, and `strip` is the credential's: a copy that came with the message is removed.
 */
export function authVerdict(input: PolicyInput, decision: AuthDecision, owned: readonly string[] = [], strip?: string): PolicyResult {
  if (!decision.allowed) throw decision.error;
  const mutations: Mutation[] = [];
  const names = strip === undefined ? owned : [...owned, strip];
  for (const name of names) if (input.headers.has(name)) mutations.push({ type: "header", op: "remove", name: name.toLowerCase() });
  if (decision.identity !== undefined) mutations.push({ type: "identity", identity: mergeIdentity(input.identity, decision.identity) });
  for (const [name, value] of decision.forward ?? []) mutations.push({ type: "header", op: "set", name: name.toLowerCase(), value });
  return mutations.length === 0 ? CONTINUE : { action: "continue", mutations };
}

/** The changes that `edit` makes to the message's fields. */
export function fieldVerdict(input: PolicyInput, edit: (headers: Headers) => void): PolicyResult {
  const { headers: before } = input;
  const after = new Headers(before);
  edit(after);
  const mutations: Mutation[] = [];
  for (const [name] of before) if (!after.has(name)) mutations.push({ type: "header", op: "remove", name });
  for (const [name, value] of after) if (before.get(name) !== value) mutations.push({ type: "header", op: "set", name, value });
  return mutations.length === 0 ? CONTINUE : { action: "continue", mutations };
}

/** A parameter of the message's query: its first value. */
export function queryValue(input: PolicyInput, name: string): string | undefined {
  const at = input.path.indexOf("?");
  return at === -1 ? undefined : (new URLSearchParams(input.path.slice(at)).get(name) ?? undefined);
}

/** The body as bytes; none where there is no body. */
export function bodyBytes({ body }: PolicyInput): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body ?? new ArrayBuffer(0));
}

/** Waits for a decision, then makes a verdict of it. */
export async function verdictOf<T>(decision: MaybePromise<T>, verdict: (decided: T) => PolicyResult): Promise<PolicyResult> {
  return verdict(await decision);
}
