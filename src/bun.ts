/** `sluice/bun`: serving on Bun. */

export { serve, type BunServeOptions } from "./runtimes/bun/serve.ts";
export type { ListenOptions, Listening, Servable } from "./runtimes/listening.ts";
export { memoryAdapter as bunAdapter, type MemoryAdapter as BunAdapter, type MemoryAdapterOptions as BunAdapterOptions } from "./drivers/memory/adapter.ts";
