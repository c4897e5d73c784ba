/** `securityHeaders`: fields that make browsers careful. */

import { OptionError } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { fieldVerdict } from "../../evaluation/verdicts.ts";
import { checkFieldValue } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface SecurityHeadersConfig extends PolicyOptions {
  /** `Content-Security-Policy`; `false` sends none. @default false */
  readonly contentSecurityPolicy?: string | false;
  /** `X-Content-Type-Options: nosniff`. @default true */
  readonly noSniff?: boolean;
  /** `X-Frame-Options`; `false` sends none. @default "DENY" */
  readonly frameOptions?: "DENY" | "SAMEORIGIN" | false;
  /** `Referrer-Policy`; `false` sends none. @default "strict-origin-when-cross-origin" */
  readonly referrerPolicy?: string | false;
  /** `Permissions-Policy`; `false` sends none. @default false */
  readonly permissionsPolicy?: string | false;
  /** `Cross-Origin-Opener-Policy`; `false` sends none. @default false */
  readonly crossOriginOpenerPolicy?: string | false;
}

/** Sets each field where the upstream has set none, on errors too. */
export const securityHeaders: PolicyFactory<SecurityHeadersConfig> = /* @__PURE__ */ definePolicy<SecurityHeadersConfig, readonly (readonly [name: string, value: string])[]>({
  name: "security-headers",
  priority: Priority.EARLY,
  validate: (config) => void fieldsOf(config),
  setup: fieldsOf,
  evaluate: { onResponse: (input, { state }) => fieldVerdict(input, (headers) => addMissing(headers, state)) },
  phases: ["response-headers"],
  async handler(c, next, { state }) {
    await next();
    addMissing(c.res.headers, state);
  },
});

function addMissing(headers: Headers, fields: readonly (readonly [name: string, value: string])[]): void {
  for (const [name, value] of fields) if (!headers.has(name)) headers.set(name, value);
}

function fieldsOf(config: SecurityHeadersConfig): readonly (readonly [name: string, value: string])[] {
  const fields: [string, string][] = [];
  const add = (option: keyof SecurityHeadersConfig, name: string, value: unknown): void => {
    if (value === false) return;
    if (value === "") throw new OptionError(option, value, "a field value, or false");
    fields.push([name, checkFieldValue(option, value)]);
  };
  const { noSniff = true, frameOptions = "DENY" } = config;
  if (typeof noSniff !== "boolean") throw new OptionError("noSniff", noSniff, "true or false");
  if (frameOptions !== false && frameOptions !== "DENY" && frameOptions !== "SAMEORIGIN") throw new OptionError("frameOptions", frameOptions, '"DENY", "SAMEORIGIN" or false');
  add("contentSecurityPolicy", "content-security-policy", config.contentSecurityPolicy ?? false);
  add("noSniff", "x-content-type-options", noSniff && "nosniff");
  add("frameOptions", "x-frame-options", frameOptions);
  add("referrerPolicy", "referrer-policy", config.referrerPolicy ?? "strict-origin-when-cross-origin");
  add("permissionsPolicy", "permissions-policy", config.permissionsPolicy ?? false);
  add("crossOriginOpenerPolicy", "cross-origin-opener-policy", config.crossOriginOpenerPolicy ?? false);
  return fields;
}
