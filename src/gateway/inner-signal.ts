/** A signal of its own for what is inside a policy. */

import type { PolicyContext } from "./types.ts";

export interface InnerSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** The turn is over: whoever asks again from outside does so under its own signal, and when that is over, this turn is nobody's. */
  leave(): void;
  /** The signal outside is heeded no longer. */
  settle(): void;
}

/** Puts a signal in the place of the request's, which aborts with that one and by itself. */
export function innerSignal(gateway: PolicyContext): InnerSignal {
  const outer = gateway.signal;
  const controller = new AbortController();
  const follow = (): void => controller.abort(outer.reason);
  if (outer.aborted) follow();
  else outer.addEventListener("abort", follow, { once: true });
  gateway.signal = controller.signal;
  let open = true;
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    leave() {
      if (open && !outer.aborted) gateway.signal = outer;
      open = false;
    },
    settle: () => outer.removeEventListener("abort", follow),
  };
}
