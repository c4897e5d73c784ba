/** `overrideMethod`: another method for clients that can only send POST. */

import { stackless } from "../../../core/errors.ts";
import { checkOneOf } from "../../../core/check.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkFieldName, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { dropRequestFields } from "../../request-edit.ts";
import type { PolicyOptions } from "../../types.ts";

export interface OverrideMethodConfig extends PolicyOptions {
  /** Field with the method that is meant. @default "X-HTTP-Method-Override" */
  readonly header?: string;
  /** Methods that may be meant. @default ["GET", "PUT", "PATCH", "DELETE"] */
  readonly allowedMethods?: readonly string[];
}

/** Gives a POST the method its field names, and takes the field out of every request: 400 `invalid_method_override` for another one, 405 where the route has none of it. */
export const overrideMethod: PolicyFactory<OverrideMethodConfig> = /* @__PURE__ */ definePolicy<OverrideMethodConfig, ReadonlySet<string>>({
  name: "override-method",
  httpOnly: true,
  priority: Priority.EARLY,
  validate(config) {
    checkFieldName("header", config.header ?? "X-HTTP-Method-Override");
    if (config.allowedMethods !== undefined) checkNames("allowedMethods", config.allowedMethods, 1);
    for (const method of config.allowedMethods ?? []) checkOneOf("allowedMethods", method.toUpperCase(), ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]);
  },
  setup: (config) => new Set((config.allowedMethods ?? ["GET", "PUT", "PATCH", "DELETE"]).map((method) => method.toUpperCase())),
  handler(c, next, { config, state }) {
    const header = config.header ?? "X-HTTP-Method-Override";
    const { raw } = c.req;
    const wanted = raw.method === "POST" ? raw.headers.get(header)?.trim().toUpperCase() : undefined;
    if (wanted === undefined) {
      // What is not meant here must not be for somebody behind either.
      dropRequestFields(c, [header]);
      return next();
    }
    if (!state.has(wanted)) throw stackless(() => new GatewayError(400, "invalid_method_override", "The method override is not allowed"));
    const methods = requestState(c).route?.methods ?? [];
    if (!methods.includes(wanted) && !(wanted === "HEAD" && methods.includes("GET"))) {
      throw stackless(() => new GatewayError(405, "method_not_allowed", "The method is not allowed for this path", { allow: methods.join(", ") }));
    }
    const headers = new Headers(raw.headers);
    // Nobody behind may apply it a second time.
    headers.delete(header);
    const bodyless = wanted === "GET" || wanted === "HEAD";
    if (bodyless) for (const name of ["content-length", "content-type", "transfer-encoding", "content-encoding"]) headers.delete(name);
    c.req.raw = new Request(raw.url, { method: wanted, headers, signal: raw.signal, ...(bodyless ? undefined : { body: raw.body, duplex: "half" }) } as RequestInit);
    return next();
  },
});
