/** What calls of a client reject with. */

import { SluiceError } from "../core/errors.ts";

/** The server answered with an error. */
export class RpcError extends SluiceError<string> {
  readonly retryable: boolean;
  readonly details: unknown;
  readonly correlationId: string | undefined;

  constructor(payload: { readonly code: string; readonly message?: string; readonly retryable?: boolean; readonly retryAfterMs?: number; readonly details?: unknown }, correlationId?: string) {
    super(String(payload?.code ?? "INTERNAL"), String(payload?.message ?? ""), { retryAfterMs: payload?.retryAfterMs });
    this.retryable = payload?.retryable === true;
    this.details = payload?.details;
    this.correlationId = correlationId;
  }

  override get name(): string {
    return "RpcError";
  }
}
