/** `timeout`: one deadline for everything inside it. */

import { checkInteger, checkPositive, checkString } from "../../../core/check.ts";
import { MAX_TIMER_MS } from "../../../core/clock.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { innerSignal } from "../../inner-signal.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface TimeoutConfig extends PolicyOptions {
  /** Deadline of all attempts and the waits between them, up to the response's header, in ms; a body that outlives it is cut. @default 30000 */
  readonly timeoutMs?: number;
  /** Detail of the answer. @default "The upstream did not answer in time" */
  readonly message?: string;
  /** Status of the answer. @default 504 */
  readonly statusCode?: number;
}

/**
 * Answers 504 `gateway_timeout` when the upstream has given no response header by the deadline, and aborts the call.
 * After the header the deadline still holds for the body: it is aborted, never ended as if it were whole.
 */
export const timeout: PolicyFactory<TimeoutConfig> = /* @__PURE__ */ definePolicy<TimeoutConfig, undefined>({
  name: "timeout",
  httpOnly: true,
  priority: Priority.TIMEOUT,
  validate(config) {
    checkPositive("timeoutMs", config.timeoutMs ?? 30_000, MAX_TIMER_MS);
    if (config.message !== undefined) checkString("message", config.message);
    checkInteger("statusCode", config.statusCode ?? 504, 400, 599);
  },
  handler(c, next, { config, site, gateway }) {
    const { clock } = site;
    const inner = innerSignal(gateway);
    const settled = (): void => {
      clock.clearTimeout(timer);
      inner.settle();
    };
    let expired = false;
    let late: ((error: GatewayError) => void) | undefined;
    const timer = clock.setTimeout(() => {
      inner.settle();
      const error = new GatewayError(config.statusCode ?? 504, "gateway_timeout", config.message ?? "The upstream did not answer in time");
      // Whoever judges the upstream by its answers (a circuit breaker) sees this one.
      if (late !== undefined && gateway.upstreamCalls > 0) gateway.upstreamError = error;
      if (late !== undefined) inner.leave();
      late?.(error);
      expired = true;
      inner.abort(error);
    }, config.timeoutMs ?? 30_000);
    return new Promise<Response | void>((resolve, reject) => {
      late = reject;
      next().then(() => {
        if (expired) return;
        late = undefined;
        inner.leave();
        if (c.res.body === null) {
          settled();
          resolve();
          return;
        }
        gateway.onBodyEnd(settled);
        // The transport cuts a proxied body at the signal; a body made in this process does not know of it.
        resolve(gateway.upstream.startsWith("url ") ? undefined : cutBy(inner.signal, c.res));
      }).catch(reject);
    });
  },
});

function cutBy(signal: AbortSignal, response: Response): Response {
  const body = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal });
  return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
}
