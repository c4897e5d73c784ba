/** The cache. */

export { ResponseCache } from "../cache/response-cache.ts";
export { StoreAccess } from "../store-access.ts";
