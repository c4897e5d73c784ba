/** The options of everything that forwards to a URL, checked. */

import { configError } from "../errors.ts";
import type { UrlUpstream } from "../types.ts";
import { isToken } from "../validate.ts";
import type { FieldOptions } from "./request-fields.ts";

/** Options that url and balanced upstreams have in common. */
export type ForwardOptions = Omit<UrlUpstream, "type" | "target" | "allowOrigins" | "canary">;

export const FORWARD_OPTIONS: readonly (keyof ForwardOptions)[] = [
  "rewritePath", "headers", "connectTimeoutMs", "headersTimeoutMs", "idleBodyTimeoutMs", "forwarded", "via", "preserveHost", "rewriteLocation", "maxResponseBytes",
  "interimResponses",
];

export interface ForwardSettings {
  readonly fields: FieldOptions;
  readonly rewritePath: UrlUpstream["rewritePath"];
  readonly rewriteLocation: boolean;
  readonly interimResponses: boolean;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleBodyTimeoutMs: number;
  readonly maxResponseBytes: number | undefined;
}

/** Throws a `config_error` naming option and route. */
export function forwardSettings(config: ForwardOptions, where: string): ForwardSettings {
  const must = (name: keyof ForwardOptions, test: (value: unknown) => boolean, expected: string): void => {
    if (config[name] !== undefined && !test(config[name])) throw configError(`"${name}" of the upstream of ${where}`, config[name], expected);
  };
  for (const name of ["connectTimeoutMs", "headersTimeoutMs", "idleBodyTimeoutMs"] as const) {
    must(name, (value) => typeof value === "number" && Number.isFinite(value) && value >= 0, "a number of ms of at least 0");
  }
  must("rewritePath", (value) => typeof value === "function", "a function");
  must("forwarded", (value) => [false, "x-forwarded", "rfc7239", "both"].includes(value as string), `one of false, "x-forwarded", "rfc7239", "both"`);
  for (const name of ["via", "preserveHost", "rewriteLocation", "interimResponses"] as const) must(name, (value) => typeof value === "boolean", "a boolean");
  must("maxResponseBytes", (value) => Number.isSafeInteger(value) && (value as number) >= 1, "an integer of at least 1");
  return {
    fields: { forwarded: config.forwarded ?? "x-forwarded", via: config.via ?? true, preserveHost: config.preserveHost ?? false, set: checkFields(config.headers, where) },
    rewritePath: config.rewritePath,
    rewriteLocation: config.rewriteLocation ?? false,
    interimResponses: config.interimResponses ?? true,
    connectTimeoutMs: config.connectTimeoutMs ?? 5000,
    headersTimeoutMs: config.headersTimeoutMs ?? 30_000,
    idleBodyTimeoutMs: config.idleBodyTimeoutMs ?? 60_000,
    maxResponseBytes: config.maxResponseBytes,
  };
}

export function checkFields(headers: UrlUpstream["headers"], where: string): FieldOptions["set"] {
  return Object.entries(headers ?? {}).map(([name, value]) => {
    if (!isToken(name)) throw configError(`a name in "headers" of the upstream of ${where}`, name, "a header name");
    if (typeof value !== "string" || /[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) throw configError(`"headers.${name}" of the upstream of ${where}`, value, "a header value");
    return [name.toLowerCase(), value] as const;
  });
}
