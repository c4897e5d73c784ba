/** What sockets report: one stream of events without payloads, tokens, query strings or header values. */

/** One of what {@link SocketEvent} lists. */
export type SocketEventType = SocketEvent["type"];

interface OfConnection {
  readonly clientId: string;
  /** Epoch ms. */
  readonly at: number;
}

export type SocketEvent =
  | (OfConnection & { readonly type: "connection.open"; readonly ip: string | undefined; readonly protocol: string | undefined })
  | (OfConnection & { readonly type: "connection.close"; readonly code: number; readonly reason: string; readonly durationMs: number })
  | (OfConnection & { readonly type: "connection.refused"; readonly status: number; readonly reason: string; readonly ip: string | undefined })
  | (OfConnection & { readonly type: "message.in"; readonly messageType: string; readonly bytes: number; readonly traceparent?: string })
  | (OfConnection & { readonly type: "message.out"; readonly messageType: string; readonly bytes: number })
  | (OfConnection & { readonly type: "message.end"; readonly messageType: string; readonly durationMs: number; readonly code: string; readonly traceparent?: string })
  | (OfConnection & { readonly type: "message.invalid"; readonly messageType: string; readonly issues: number })
  | (OfConnection & { readonly type: "message.unhandled"; readonly messageType: string })
  | (OfConnection & { readonly type: "rpc.start"; readonly messageType: string; readonly correlationId: string | undefined; readonly traceparent?: string })
  | (OfConnection & { readonly type: "rpc.end"; readonly messageType: string; readonly correlationId: string | undefined; readonly code: string; readonly durationMs: number; readonly traceparent?: string })
  | (OfConnection & { readonly type: "topic.subscribe" | "topic.unsubscribe"; readonly topic: string })
  | { readonly type: "topic.publish"; readonly at: number; readonly topic: string; readonly messageType: string; readonly matched: number; readonly dropped: number; readonly clientId: string | undefined; readonly traceparent?: string }
  | (OfConnection & { readonly type: "topic.drop"; readonly topic: string | undefined; readonly dropped: number })
  | (OfConnection & { readonly type: "limit"; readonly limit: LimitKind; readonly observed: number; readonly max: number })
  | (OfConnection & { readonly type: "violation"; readonly reason: string })
  | { readonly type: "pubsub.gap"; readonly at: number; readonly topic: string; readonly since?: number; readonly dropped?: number }
  | { readonly type: "error"; readonly at: number; readonly clientId: string | undefined; readonly messageType: string | undefined; readonly code: string; readonly message: string };

export type LimitKind = "payload" | "rate" | "connections" | "backpressure";

/** Where lines for people go. */
export interface Logger {
  error(line: string): void;
  warn(line: string): void;
  info(line: string): void;
}

/** Writes to the console. */
export const consoleLogger: Logger = /* @__PURE__ */ Object.freeze({
  error: (line: string): void => console.error(line),
  warn: (line: string): void => console.warn(line),
  info: (line: string): void => console.info(line),
});

export const silentLogger: Logger = /* @__PURE__ */ Object.freeze({ error: (): void => undefined, warn: (): void => undefined, info: (): void => undefined });
