/** What the type test needs at run time: nothing of it is executed. */

export { createRouter, definePlugin } from "../../src/sockets.ts";

/** Takes code that is only compiled. */
export function memoized(_code: () => void): void {}
