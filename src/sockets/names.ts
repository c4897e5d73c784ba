/** Names the protocol keeps for itself. */

export const CONTROL = {
  heartbeat: "__heartbeat",
  heartbeatAck: "__heartbeat_ack",
  progress: "$ws:rpc-progress",
  abort: "$ws:abort",
  resume: "$ws:resume",
  resumed: "$ws:resumed",
  auth: "$ws:auth",
  goaway: "$ws:goaway",
} as const;

export const OPEN_TYPE = "$ws:open";
export const CLOSE_TYPE = "$ws:close";
export const ERROR_TYPE = "ERROR";
export const RPC_ERROR_TYPE = "RPC_ERROR";

/** Constant texts, so that a hibernating object can answer without waking. */
export const HEARTBEAT_TEXT = '{"type":"__heartbeat"}';
export const HEARTBEAT_ACK_TEXT = '{"type":"__heartbeat_ack"}';

/** Meta keys a schema may not declare. */
export const RESERVED_META: readonly string[] = ["clientId", "receivedAt", "topic", "offset", "timeoutMs"];
/** Meta keys that are dropped when a client sends them. */
export const DROPPED_META: ReadonlySet<string> = /* @__PURE__ */ new Set(["clientId", "receivedAt", "topic", "offset"]);
/** Meta keys that are known without being declared. */
export const KNOWN_META: readonly string[] = ["timestamp", "correlationId", "timeoutMs", "traceparent", "tracestate"];
/** Meta keys that only the server sets on what it sends. */
export const SERVER_META: ReadonlySet<string> = /* @__PURE__ */ new Set([...RESERVED_META, "correlationId", "timestamp"]);

/** Longest correlation id. */
export const MAX_CORRELATION_LENGTH = 128;

/** A type that `message()` and `rpc()` refuse and a client may not send. */
export function isReservedType(type: string): boolean {
  return type.startsWith("$") || type.startsWith("__") || type === ERROR_TYPE || type === RPC_ERROR_TYPE;
}
