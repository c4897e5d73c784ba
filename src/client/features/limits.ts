/** Throttles and circuits. */

export { Throttle } from "../limits/throttle.ts";
export { Circuits } from "../limits/circuits.ts";
export { StoreAccess } from "../store-access.ts";
