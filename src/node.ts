/** `sluice/node`: serving on Node. */

export { serve, type NodeServer, type ServeOptions } from "./runtimes/node/serve.ts";
export type { ListenOptions, Listening, Servable } from "./runtimes/listening.ts";
export { memoryAdapter as nodeAdapter, type MemoryAdapter as NodeAdapter, type MemoryAdapterOptions as NodeAdapterOptions } from "./drivers/memory/adapter.ts";
