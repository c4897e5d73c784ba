/** The caller as auth policies establish it, and what tells one caller from another. */

import type { Identity, PolicyContext } from "./types.ts";

const known: WeakMap<PolicyContext, string[]> = /* @__PURE__ */ new WeakMap();
const judged: WeakMap<PolicyContext, Set<string>> = /* @__PURE__ */ new WeakMap();

/**
 * Records what a policy has proven about the caller. Of several policies the last one names the caller; roles, permissions
 * and scopes of the earlier ones stay where it says nothing of them. `field` is the request field with the credential.
 */
export function establishIdentity(gateway: PolicyContext, identity: Identity, field?: string): void {
  gateway.identity = mergeIdentity(gateway.identity, identity);
  if (field !== undefined) judgedFields(gateway).add(field.toLowerCase());
  tellApart(gateway, JSON.stringify([identity.scheme, identity.id]));
}

/** Records what an auth policy has gone by and that names nobody: callers that differ in it are not the same. */
export function tellApart(gateway: PolicyContext, mark: string): void {
  const list = known.get(gateway);
  if (list === undefined) known.set(gateway, [mark]);
  else list.push(mark);
}

/** What the latest policy says, over what earlier ones have said. */
export function mergeIdentity(known: Identity | undefined, identity: Identity): Identity {
  const said = Object.fromEntries(Object.entries(identity).filter(([, value]) => value !== undefined)) as unknown as Identity;
  return { ...known, ...said };
}

/** One text per credential that was proven or gone by: callers that differ in any of them are not the same caller. */
export function provenCallers(gateway: PolicyContext): readonly string[] {
  return known.get(gateway) ?? [];
}

/** Request fields, in lower case, with credentials that were proven: a renewed one is the same caller's. */
export function judgedFields(gateway: PolicyContext): Set<string> {
  let fields = judged.get(gateway);
  if (fields === undefined) judged.set(gateway, (fields = new Set()));
  return fields;
}
