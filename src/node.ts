/** `sluice/node`: serving on Node. */

export { serve, type NodeServer, type Servable, type ServeOptions } from "./runtimes/node/serve.ts";
export { memoryAdapter as nodeAdapter, type MemoryAdapter as NodeAdapter, type MemoryAdapterOptions as NodeAdapterOptions } from "./drivers/memory/adapter.ts";
export { undiciAdapter } from "./runtimes/node/undici-adapter.ts";
export type { UndiciAdapterOptions, UndiciAgentLike, UndiciLike } from "./runtimes/node/undici-adapter.ts";
