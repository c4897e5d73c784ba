/** `sluice/sockets/zod`: `sluice/sockets` and zod's `z`, on one import line. */

export * from "./sockets.ts";
export { z } from "./sockets/zod.ts";
