/** `requestLimit`: how long a request's body may be. */

import { checkInteger, checkString } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import { isKept, requestBytes } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface RequestLimitConfig extends PolicyOptions {
  /** Longest body. */
  readonly maxBytes: number;
  /** Detail of a refusal. @default "The request is too large" */
  readonly message?: string;
}

/**
 * Refuses with 413 `request_too_large`: at once by the declared length, else when the bytes that came are too many; the upstream's call
 * is then aborted. The body streams through.
 */
export const requestLimit: PolicyFactory<RequestLimitConfig> = /* @__PURE__ */ definePolicy<RequestLimitConfig, undefined>({
  name: "request-limit",
  httpOnly: true,
  priority: Priority.EARLY,
  guard: true,
  validate(config) {
    checkInteger("maxBytes", config.maxBytes, 0);
    checkString("message", config.message ?? "");
  },
  async handler(c, next, { config, gateway }) {
    const tooLarge = (): GatewayError => stackless(() => new GatewayError(413, "request_too_large", config.message ?? "The request is too large"));
    const { raw } = c.req;
    if (Number(raw.headers.get("content-length") ?? 0) > config.maxBytes) throw tooLarge();
    // A declared length may be a lie: bytes are counted either way.
    if (raw.bodyUsed) {
      // An earlier policy has read it, and Hono keeps it.
      if (isKept(c) && (await requestBytes(c, config.maxBytes)) === undefined) throw tooLarge();
      return next();
    }
    if (raw.body === null) return next();
    let over: GatewayError | undefined;
    const abort = new AbortController();
    const outer = gateway.signal;
    const onAbort = (): void => abort.abort(outer.reason);
    outer.addEventListener("abort", onAbort, { once: true });
    gateway.onBodyEnd(() => outer.removeEventListener("abort", onAbort));
    gateway.signal = abort.signal;
    let stop: (error: GatewayError) => void = () => {};
    const exceeded = new Promise<never>((_, reject) => (stop = reject));
    exceeded.catch(() => {});
    const body = counted(raw.body, config.maxBytes, () => {
      over = tooLarge();
      abort.abort(over);
      stop(over);
      return over;
    });
    c.req.raw = new Request(raw, { body, duplex: "half" } as RequestInit);
    await Promise.race([next(), exceeded]);
    if (over !== undefined) throw over;
  },
});

/** Passes bytes on until there are too many: then whoever reads gets what `exceeded` gives as the error. */
function counted(body: ReadableStream<Uint8Array>, limit: number, exceeded: () => unknown): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let size = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
          return;
        }
        size += value.byteLength;
        if (size <= limit) {
          controller.enqueue(value);
          return;
        }
        const error = exceeded();
        controller.error(error);
        reader.cancel(error).catch(() => {});
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
