/** What a policy needs of a store, said at construction. */

import { GatewayError } from "../../errors.ts";
import type { PolicySite } from "../../types.ts";

/** Throws a `config_error` naming the store and the verb it lacks. No store at all is another matter: then there is the private one. */
export function requireVerbs(site: PolicySite, storeName: string, store: object | null | undefined, verbs: readonly string[]): void {
  if (store === undefined || store === null) return;
  for (const verb of verbs) {
    if (typeof (store as Record<string, unknown>)[verb] !== "function") {
      throw new GatewayError(500, "config_error", `policy "${site.policyName}": the ${storeName} has no ${verb}(), which this policy needs; use a store of this package, or one with that verb`);
    }
  }
}
