/** `sluice/deno`: serving on Deno. */

export { serve, type DenoServeOptions } from "./runtimes/deno/serve.ts";
export type { ListenOptions, Listening, Servable } from "./runtimes/listening.ts";
export { memoryAdapter as denoAdapter, type MemoryAdapter as DenoAdapter, type MemoryAdapterOptions as DenoAdapterOptions } from "./drivers/memory/adapter.ts";
