/** `assignAttributes`: values that inner policies and handlers read by `c.get(name)`. */

import type { Context } from "hono";
import { OptionError } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { checkRecord } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface AssignAttributesConfig extends PolicyOptions {
  /** Names and values, or functions of the request that give them. Names that begin with `_` are the gateway's. */
  readonly attributes: Readonly<Record<string, string | ((c: Context) => MaybePromise<unknown>)>>;
}

/** Sets variables of the request's context. */
export const assignAttributes: PolicyFactory<AssignAttributesConfig> = /* @__PURE__ */ definePolicy<AssignAttributesConfig, undefined>({
  name: "assign-attributes",
  priority: Priority.REQUEST_TRANSFORM,
  validate(config) {
    checkRecord("attributes", config.attributes);
    for (const [name, value] of Object.entries(config.attributes)) {
      if (name === "" || name.startsWith("_")) throw new OptionError("attributes", name, "without empty names and those that begin with _");
      if (typeof value !== "string" && typeof value !== "function") throw new OptionError(`attributes.${name}`, value, "a string or a function");
    }
  },
  async handler(c, next, { config, site }) {
    for (const [name, value] of Object.entries(config.attributes)) {
      c.set(name, typeof value === "function" ? await callback(site.policyName, () => value(c)) : value);
    }
    await next();
  },
});
