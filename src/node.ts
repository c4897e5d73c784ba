/** `sluice/node`: serving HTTP and sockets on Node. */

export { serve } from "./runtimes/node/serve-any.ts";
export type { NodeServer, ServeOptions } from "./runtimes/node/serve.ts";
export type { ListenOptions, Listening, Servable } from "./runtimes/listening.ts";
export type { ServeAny } from "./runtimes/serve-any.ts";
export { createNodeHandler } from "./runtimes/node/sockets.ts";
export type { NodeSocketHandler, NodeSocketOptions } from "./runtimes/node/sockets.ts";
export type { SocketCapabilities, SocketServeOptions, SocketServer, SocketTls } from "./sockets/serve-options.ts";
export { memoryAdapter as nodeAdapter, type MemoryAdapter as NodeAdapter, type MemoryAdapterOptions as NodeAdapterOptions } from "./drivers/memory/adapter.ts";
export { undiciAdapter } from "./runtimes/node/undici-adapter.ts";
export type { UndiciAdapterOptions, UndiciAgentLike, UndiciLike } from "./runtimes/node/undici-adapter.ts";
