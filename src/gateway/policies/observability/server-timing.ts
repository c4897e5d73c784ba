/** `serverTiming`: how long the policies took, for browsers and people. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkOneOf } from "../../../core/check.ts";
import { OptionError } from "../../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { isDebugRequested } from "../../operation/debug-headers.ts";
import { WANTS_TIMES } from "../../operation/observe.ts";
import { TraceNotes } from "../../operation/trace-report.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

/** Who gets the fields. */
export type ServerTimingVisibility = "always" | "debug-only" | "conditional";

export interface ServerTimingConfig extends PolicyOptions {
  /** `server-timing` with an entry per policy. @default true */
  readonly serverTimingHeader?: boolean;
  /** `x-response-time` with the whole time. @default true */
  readonly responseTimeHeader?: boolean;
  /** Decimals of a millisecond, 0 to 6. @default 1 */
  readonly precision?: number;
  /** An entry `total`. @default true */
  readonly includeTotal?: boolean;
  /** A description of a policy's entry. */
  readonly descriptionFn?: (name: string) => string;
  /** Everybody, clients that may have debug headers and ask for one, or whom `visibilityFn` says. @default "debug-only" */
  readonly visibility?: ServerTimingVisibility;
  /** Decides for `conditional`. */
  readonly visibilityFn?: (c: Context) => MaybePromise<boolean>;
}

/**
 * Adds `server-timing` (W3C) and `x-response-time` to answers. Timings tell an attacker what a policy does, so by default
 * only clients that ask under `debugHeaders` get them.
 *
 * ```ts
 * serverTiming({ visibility: "always" })
 * ```
 */
export const serverTiming: PolicyFactory<ServerTimingConfig> = (options) => Object.assign(unmarked(options), { [WANTS_TIMES]: true });

const unmarked: PolicyFactory<ServerTimingConfig> = /* @__PURE__ */ definePolicy<ServerTimingConfig>({
  name: "server-timing",
  priority: Priority.METRICS,
  httpOnly: true,
  validate(config) {
    checkInteger("precision", config.precision ?? 1, 0, 6);
    checkOneOf("visibility", config.visibility ?? "debug-only", ["always", "debug-only", "conditional"]);
    for (const name of ["serverTimingHeader", "responseTimeHeader", "includeTotal"] as const) {
      if (config[name] !== undefined && typeof config[name] !== "boolean") throw new OptionError(name, config[name], "true or false");
    }
    if (config.descriptionFn !== undefined) checkFunction("descriptionFn", config.descriptionFn);
    if (config.visibilityFn !== undefined) checkFunction("visibilityFn", config.visibilityFn);
    if (config.visibility === "conditional" && config.visibilityFn === undefined) throw new OptionError("visibilityFn", undefined, `a function when visibility is "conditional"`);
  },
  handler(c, next, { config, site }) {
    const visible = isVisible(c, config, site.policyName);
    const go = (shown: boolean): Promise<void> => (shown ? timed(c, next, config, site.policyName) : next());
    return isPromise(visible) ? visible.then(go) : go(visible);
  },
});

function isVisible(c: Context, { visibility = "debug-only", visibilityFn }: ServerTimingConfig, policyName: string): MaybePromise<boolean> {
  if (visibility === "always") return true;
  if (visibility === "debug-only") return isDebugRequested(c);
  const failed = (error: unknown): never => {
    throw policyError(policyName, error);
  };
  try {
    const answer = (visibilityFn as NonNullable<typeof visibilityFn>)(c);
    return isPromise(answer) ? answer.then((yes) => yes === true, failed) : answer === true;
  } catch (error) {
    return failed(error);
  }
}

async function timed(c: Context, next: () => Promise<void>, config: ServerTimingConfig, policyName: string): Promise<void> {
  const state = requestState(c);
  const asked = state.traceNotes;
  const notes = (state.traceNotes ??= new TraceNotes());
  await next();
  // A client that has not asked for the trace does not get it because of this policy.
  if (asked === undefined && state.debugNotes === undefined) state.traceNotes = undefined;
  const { precision = 1, serverTimingHeader = true, responseTimeHeader = true, includeTotal = true, descriptionFn } = config;
  const total = (state.snapshot.clock.monotonic() - state.beganAt).toFixed(precision);
  if (responseTimeHeader) c.res.headers.set("x-response-time", `${total}ms`);
  if (!serverTimingHeader) return;
  const described = (name: string): string | undefined => {
    try {
      return descriptionFn?.(name);
    } catch (error) {
      throw policyError(policyName, error, "descriptionFn");
    }
  };
  const entries = notes.entries.map(({ name, durationMs }) => entry(name, durationMs.toFixed(precision), described(name)));
  if (includeTotal) entries.unshift(entry("total", total, undefined));
  if (entries.length > 0) c.res.headers.append("server-timing", entries.join(", "));
}

/** Names become tokens (RFC 9110 5.6.2), descriptions quoted strings. */
function entry(name: string, duration: string, description: string | undefined): string {
  const token = name.replace(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g, "_");
  const shown = description === undefined ? "" : `;desc="${description.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
  return `${token}${shown};dur=${duration}`;
}
