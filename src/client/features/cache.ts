/** The cache. */

export { dropChanged } from "../cache/drop-changed.ts";
export { openResponseCache } from "../cache/open.ts";
