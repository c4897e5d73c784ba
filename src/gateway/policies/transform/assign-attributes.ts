/** `assignAttributes`: values that inner policies and handlers read by `c.get(name)`. */

import type { Context } from "hono";
import { OptionError } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import type { AttributeMutation } from "../../evaluation/protocol.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
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
  evaluate: {
    async onRequest(input, { config, site }) {
      const mutations: AttributeMutation[] = [];
      await assign(config, contextOf(input), site.policyName, (key, value) => void mutations.push({ type: "attribute", key, value }));
      return { action: "continue", mutations };
    },
  },
  phases: ["request-headers"],
  async handler(c, next, { config, site }) {
    await assign(config, c, site.policyName, (name, value) => c.set(name, value));
    await next();
  },
});

async function assign(config: AssignAttributesConfig, c: Context, policyName: string, set: (name: string, value: unknown) => void): Promise<void> {
  for (const [name, value] of Object.entries(config.attributes)) set(name, typeof value === "function" ? await callback(policyName, () => value(c)) : value);
}
