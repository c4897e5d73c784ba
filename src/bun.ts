/** `sluice/bun`: serving HTTP and sockets on Bun. */

export { serve } from "./runtimes/bun/serve-any.ts";
export type { BunServeOptions } from "./runtimes/bun/serve.ts";
export type { ListenOptions, Listening, Servable } from "./runtimes/listening.ts";
export type { ServeAny } from "./runtimes/serve-any.ts";
export { createBunHandler } from "./runtimes/bun/sockets.ts";
export type { BunSocketHandler, BunSocketOptions } from "./runtimes/bun/sockets.ts";
export type { SocketCapabilities, SocketServeOptions, SocketServer, SocketTls } from "./sockets/serve-options.ts";
export { memoryAdapter as bunAdapter, type MemoryAdapter as BunAdapter, type MemoryAdapterOptions as BunAdapterOptions } from "./drivers/memory/adapter.ts";
