/** What strategies stand on. */

export { createVault } from "../auth/vault.ts";
export { StoreAccess } from "../store-access.ts";
