/** `jsonThreatProtection`: JSON bodies that are made to exhaust whoever parses them stay out. */

import { checkInteger } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import { bodyTooLarge, boundedRequestBytes, utf8Text } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { CONTINUE } from "../../evaluation/protocol.ts";
import { bodyBytes, orReject } from "../../evaluation/verdicts.ts";
import { GatewayError } from "../../errors.ts";
import { mediaTypeIn } from "../../media-type.ts";
import { checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { scanJson } from "./json-scan.ts";

export interface JsonThreatProtectionConfig extends PolicyOptions {
  /** Deepest nesting of objects and arrays. @default 20 */
  readonly maxDepth?: number;
  /** Most keys, those of all objects together. @default 100 */
  readonly maxKeys?: number;
  /** Longest string or key, in characters. @default 10000 */
  readonly maxStringLength?: number;
  /** Most elements of one array. @default 100 */
  readonly maxArraySize?: number;
  /** Longest body, in bytes. @default 1048576 */
  readonly maxBodySize?: number;
  /** Media types that are checked; `application/json` also means `*+json`. @default ["application/json"] */
  readonly contentTypes?: readonly string[];
}

/** Refuses with 400 `json_threat` or `invalid_json`, and 413 `body_too_large`. The body stays readable. */
export const jsonThreatProtection: PolicyFactory<JsonThreatProtectionConfig> = /* @__PURE__ */ definePolicy<JsonThreatProtectionConfig, undefined>({
  name: "json-threat-protection",
  priority: Priority.EARLY,
  guard: true,
  validate(config) {
    for (const option of ["maxDepth", "maxKeys", "maxStringLength", "maxArraySize", "maxBodySize"] as const) if (config[option] !== undefined) checkInteger(option, config[option], 0);
    // Deeper than this, a recursive parser may run out of stack itself.
    checkInteger("maxDepth", config.maxDepth ?? 20, 0, 1000);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
  },
  evaluate: {
    onRequest(input, { config }) {
      if (!mediaTypeIn(input.headers.get("content-type"), config.contentTypes ?? ["application/json"])) return CONTINUE;
      const bytes = bodyBytes(input);
      const { maxBodySize = 1_048_576 } = config;
      return orReject(bytes.byteLength > maxBodySize ? bodyTooLarge(maxBodySize) : decideJson(config, bytes));
    },
  },
  phases: ["request-body"],
  async handler(c, next, { config }) {
    if (!mediaTypeIn(c.req.raw.headers.get("content-type"), config.contentTypes ?? ["application/json"])) return next();
    const error = decideJson(config, await boundedRequestBytes(c, config.maxBodySize ?? 1_048_576));
    if (error !== undefined) throw error;
    await next();
  },
});

/** What is wrong with a body, if anything is. */
export function decideJson(config: JsonThreatProtectionConfig, bytes: Uint8Array): GatewayError | undefined {
  if (bytes.byteLength === 0) return undefined;
  const text = utf8Text(bytes);
  const { maxDepth = 20, maxKeys = 100, maxStringLength = 10_000, maxArraySize = 100 } = config;
  const breach = text === undefined ? undefined : scanJson(text, { maxDepth, maxKeys, maxStringLength, maxArraySize });
  if (breach !== undefined) return stackless(() => new GatewayError(400, "json_threat", `The body exceeds ${breach}`));
  try {
    JSON.parse(text as string);
    return undefined;
  } catch {
    return stackless(() => new GatewayError(400, "invalid_json", "The body is not valid JSON"));
  }
}
