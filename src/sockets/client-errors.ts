/** What calls reject with, at a client and at a test router. */

/** Base of the client's errors: a stable code and a name, no more, since every byte travels to browsers. */
export class ClientError extends Error {
  readonly code: string;
  /** Whether the request had left. */
  readonly sent: boolean;

  constructor(name: string, code: string, message: string, sent = false) {
    super(message);
    this.name = name;
    this.code = code;
    this.sent = sent;
  }
}

export const timeoutError = (ms: number, sent: boolean): ClientError => new ClientError("TimeoutError", "TIMEOUT", `no answer within ${ms} ms`, sent);
export const abortError = (sent: boolean): ClientError => new ClientError("AbortError", "ABORTED", "the request was given up", sent);
export const disconnectedError = (sent: boolean): ClientError => new ClientError("DisconnectedError", "DISCONNECTED", "the connection is gone", sent);
export const validationError = (what: string): ClientError => new ClientError("ValidationError", "VALIDATION", what);
export const queueFullError = (): ClientError => new ClientError("QueueFullError", "QUEUE_FULL", "too many requests wait");
/** The server's credentials were refused twice. */
export const unauthenticatedError = (): ClientError => new ClientError("UnauthenticatedError", "UNAUTHENTICATED", "the credentials were refused");

/** The server answered with an error. */
export class RpcError extends ClientError {
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;

  constructor(payload: { readonly code?: unknown; readonly message?: unknown; readonly retryable?: unknown; readonly retryAfterMs?: unknown; readonly details?: unknown } | undefined) {
    super("RpcError", String(payload?.code ?? "INTERNAL"), String(payload?.message ?? ""), true);
    this.retryable = payload?.retryable === true;
    this.retryAfterMs = typeof payload?.retryAfterMs === "number" ? payload.retryAfterMs : undefined;
    this.details = payload?.details;
  }
}
