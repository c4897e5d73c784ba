/** `sluice/sockets/valibot`: `sluice/sockets` and valibot as `v`, on one import line. */

export * from "./sockets.ts";
export { v } from "./sockets/valibot.ts";
