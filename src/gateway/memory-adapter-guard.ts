/** Stands in until the memory adapter exists. */

import type { GatewayAdapter } from "../state/contracts.ts";

const path = "../drivers/memory/adapter.ts";
const found = (await import(/* @vite-ignore */ path).catch(() => undefined)) as { memoryAdapter: () => GatewayAdapter } | undefined;
export const memoryAdapter: () => GatewayAdapter = found?.memoryAdapter ?? (() => ({}));
