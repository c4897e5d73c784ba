/** What platform adapters use of the sockets: one file, so that they depend on nothing else inside. */

export { type HeaderFields } from "./captured-request.ts";
export { CLOSE, wireCode } from "./close-codes.ts";
export type { Connection } from "./connection.ts";
export type { Codec } from "./codec.ts";
export { Frame } from "./frame.ts";
export { type Admission, type Refusal, abandon, handshake, notAnUpgrade, refusal, refusalBody, refusalResponse } from "./handshake.ts";
export type { Hub } from "./hub.ts";
export { HEARTBEAT_ACK_TEXT, HEARTBEAT_TEXT } from "./names.ts";
export { type RouterCore, coreOf, isRouter } from "./router-core.ts";
export type { RouterOf } from "./router.ts";
export { DEFAULT_DRAIN_MS, SERVE_OPTIONS, type SocketCapabilities, type SocketServeOptions, type SocketServer, resolveListen, socketUrl } from "./serve-options.ts";
export { SERVER_OPTIONS, type ServerOptions, resolveServer } from "./server-options.ts";
export type { Transport } from "./transport.ts";
export type { ConnectionData } from "./types.ts";
