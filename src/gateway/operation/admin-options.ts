/** Options of the admin pages. */

import type { Context } from "hono";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { configError } from "../errors.ts";
import { known } from "../validate.ts";
import type { MetricsCollector } from "./metrics.ts";

export interface AdminOptions {
  /** @default true, when the options are given */
  readonly enabled?: boolean;
  /** Path below which the pages are. @default "___gateway" */
  readonly prefix?: string;
  /**
   * Who may see them; false, or a throw, is a 403. Without it: reading only, and from this machine only. A proxy on this machine that
   * adds no field of its own, as nginx does by default, makes everybody local: behind any proxy `auth` is needed.
   */
  readonly auth?: (c: Context) => MaybePromise<boolean>;
  /** What `metrics` shows. @default the gateway's own collector */
  readonly metrics?: MetricsCollector;
}

export interface AdminSettings {
  /** With slashes on both sides. */
  readonly base: string;
  readonly auth: AdminOptions["auth"];
  readonly metrics: MetricsCollector | undefined;
}

/** Throws a `config_error`; `undefined` when the pages are off. */
export function adminSettings(option: boolean | AdminOptions | undefined, basePath: string): AdminSettings | undefined {
  if (option === undefined || option === false) return undefined;
  const given: AdminOptions = option === true ? {} : option;
  if (typeof given !== "object" || given === null) throw configError(`option "admin"`, option, "a boolean or an object");
  known(`option of "admin"`, given, ["enabled", "prefix", "auth", "metrics"]);
  const { enabled = true, prefix = "___gateway", auth, metrics } = given;
  if (typeof enabled !== "boolean") throw configError(`option "admin.enabled"`, enabled, "a boolean");
  if (typeof prefix !== "string" || !/^\/?[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*\/?$/.test(prefix) || prefix.includes("..")) throw configError(`option "admin.prefix"`, prefix, "a path such as ___gateway");
  if (auth !== undefined && typeof auth !== "function") throw configError(`option "admin.auth"`, auth, "a function");
  if (metrics !== undefined && typeof metrics?.snapshot !== "function") throw configError(`option "admin.metrics"`, metrics, "a metrics collector");
  if (!enabled) return undefined;
  return { base: `${basePath.replace(/\/+$/, "")}/${prefix.replace(/^\/|\/$/g, "")}/`, auth, metrics };
}
