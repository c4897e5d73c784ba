/** Options of the upstreams beside the plain URL. */

import type { Context } from "hono";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { UrlUpstream } from "../types.ts";

/** A service of the platform, reached through `adapter.dispatchBinding`. */
export interface ServiceBindingUpstream {
  readonly type: "service-binding";
  /** Name of the binding. */
  readonly service: string;
  /** Maps the request path; the query is kept. */
  readonly rewritePath?: (path: string) => string;
  /** Fields set on the request to the service. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Which forwarding fields the service gets. @default "x-forwarded" */
  readonly forwarded?: UrlUpstream["forwarded"];
  /** `Via` in both directions. @default true */
  readonly via?: boolean;
}

/** How the next target is chosen. */
export type Balance = "round-robin" | "weighted" | "least-pending" | "consistent-hash";

export interface BalancedTarget {
  /** An absolute URL, as `target` of a url upstream. */
  readonly url: string;
  /** Share of the traffic, an integer; 0 gets no new requests. @default 1 */
  readonly weight?: number;
  /** It gets traffic as a canary alone. @default false */
  readonly canary?: boolean;
}

/** Several servers of one service. */
export interface BalancedUpstream extends Omit<UrlUpstream, "type" | "target" | "allowOrigins"> {
  readonly type: "balanced";
  readonly targets: readonly BalancedTarget[];
  /**
   * `round-robin` and `weighted`: by weight, smoothly interleaved. `least-pending`: fewest requests under way per weight.
   * `consistent-hash`: by `hashKey`; a target that goes moves only its own keys. @default "round-robin"
   */
  readonly balance?: Balance;
  /** What stays on one target. @default the client's address */
  readonly hashKey?: (c: Context) => MaybePromise<string>;
  /** Leaves a failing target alone for a while; `false` never does. */
  readonly ejection?: EjectionOptions | false;
  /** Asks every target regularly, once the first request came. @default off */
  readonly healthCheck?: HealthCheckOptions;
}

export interface EjectionOptions {
  /** Failures in a row: no connection, no answer in time, or 502, 503, 504. @default 5 */
  readonly consecutiveFailures?: number;
  /** First time out, in ms; each further one is twice as long. @default 30000 */
  readonly baseMs?: number;
  /** @default 300000 */
  readonly maxMs?: number;
  /** When more than this share would be out, ejections are ignored and all get traffic, in per cent. @default 50 */
  readonly maxPercent?: number;
}

export interface HealthCheckOptions {
  /** Path below the target's origin; a status from 200 to 399 is healthy. */
  readonly path: string;
  /** Pause between two questions, within 10 % by chance. @default 10000 */
  readonly intervalMs?: number;
  /** @default 2000 */
  readonly timeoutMs?: number;
  /** Good answers in a row that bring a target back. @default 2 */
  readonly healthy?: number;
  /** Bad ones in a row that take it out. @default 3 */
  readonly unhealthy?: number;
}

/** Sends a share of the callers elsewhere. */
export interface CanaryOptions {
  /** Where the share goes. @default the targets marked `canary` */
  readonly target?: string;
  /** From 0 to 100; fractions count. */
  readonly percent: number;
  /** Callers with the same text always land on the same side, and raising `percent` moves nobody back. */
  readonly stickyBy?: (c: Context) => MaybePromise<string | null | undefined>;
}
