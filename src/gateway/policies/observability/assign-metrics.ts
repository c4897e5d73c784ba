/** `assignMetrics`: tags on the metrics of a request. */

import type { Context } from "hono";
import { OptionError } from "../../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { tagRequest } from "../../operation/observe.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface AssignMetricsConfig extends PolicyOptions {
  /** Label names, and their values or what computes them. Keep the values few: each set is a series of its own. */
  readonly tags: Readonly<Record<string, string | ((c: Context) => MaybePromise<string>)>>;
}

/** Names the gateway's own labels have. */
const RESERVED: ReadonlySet<string> = /* @__PURE__ */ new Set(["gateway", "route", "method", "status", "le"]);

/**
 * Adds labels to `gateway_requests_total` and its kin, and to `request` events. Values are cut to 64 characters.
 *
 * ```ts
 * assignMetrics({ tags: { tenant: (c) => c.req.header("x-tenant") ?? "none" } })
 * ```
 */
export const assignMetrics: PolicyFactory<AssignMetricsConfig> = /* @__PURE__ */ definePolicy<AssignMetricsConfig>({
  name: "assign-metrics",
  priority: Priority.OBSERVABILITY,
  httpOnly: true,
  validate({ tags }) {
    if (typeof tags !== "object" || tags === null || Array.isArray(tags)) throw new OptionError("tags", tags, "an object of label names and values");
    for (const [name, value] of Object.entries(tags)) {
      if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/.test(name) || RESERVED.has(name)) throw new OptionError("tags", name, "made of label names other than the gateway's own");
      if (typeof value !== "string" && typeof value !== "function") throw new OptionError(`tags.${name}`, value, "a string or a function");
    }
  },
  handler(c, next, { config, site }) {
    const late: Promise<void>[] = [];
    for (const [name, value] of Object.entries(config.tags)) {
      const set = (found: unknown): void => tagRequest(c, name, String(found ?? "").slice(0, 64));
      if (typeof value === "string") {
        set(value);
        continue;
      }
      try {
        const found = value(c);
        if (isPromise(found)) late.push(found.then(set, (error: unknown) => Promise.reject(policyError(site.policyName, error))));
        else set(found);
      } catch (error) {
        throw policyError(site.policyName, error);
      }
    }
    return late.length === 0 ? next() : Promise.all(late).then(() => next());
  },
});
