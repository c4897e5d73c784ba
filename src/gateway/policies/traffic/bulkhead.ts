/** `bulkhead`: at most so many requests at once in this process. */

import { checkInteger, checkNonNegative } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { createWaitingLine, type WaitingLine } from "./waiting-line.ts";

export interface BulkheadConfig extends PolicyOptions {
  /** Requests at once, each until its response body has ended. @default 100 */
  readonly maxConcurrent?: number;
  /** Further requests that may wait for a place, first come, first served. @default 0 */
  readonly maxQueue?: number;
  /** Longest wait for a place. @default 1000 */
  readonly queueTimeoutMs?: number;
}

/** Refuses with 503 `bulkhead_full` what finds no place: one slow upstream cannot take all of this process. */
export const bulkhead: PolicyFactory<BulkheadConfig> = /* @__PURE__ */ definePolicy<BulkheadConfig, WaitingLine>({
  name: "bulkhead",
  httpOnly: true,
  priority: Priority.CIRCUIT_BREAKER,
  validate(config) {
    checkInteger("maxConcurrent", config.maxConcurrent ?? 100, 1);
    checkInteger("maxQueue", config.maxQueue ?? 0, 0);
    checkNonNegative("queueTimeoutMs", config.queueTimeoutMs ?? 1000);
  },
  setup: (config, site) =>
    createWaitingLine({ clock: site.clock, limit: () => config.maxConcurrent ?? 100, maxQueue: config.maxQueue ?? 0, queueTimeoutMs: config.queueTimeoutMs ?? 1000 }),
  async handler(_c, next, { state, gateway }) {
    if (!(await state.enter(() => gateway.signal))) throw stackless(() => new GatewayError(503, "bulkhead_full", "Too many requests are in progress", { "retry-after": "1" }));
    gateway.onBodyEnd(() => state.leave());
    await next();
  },
});
