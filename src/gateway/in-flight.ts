/** Which requests a configuration still serves: it is disposed after the last of them. */

import type { RequestState } from "./context.ts";

/**
 * A request has its answer. One whose policies own something to dispose, or whose spans an exporter waits for, is over with
 * the body of its answer, and so is to call this before the body is watched; any other is over now.
 */
export function answered(state: RequestState): void {
  const { snapshot } = state;
  const leave = (): void => {
    snapshot.inFlight--;
    if (snapshot.retired && snapshot.inFlight === 0) snapshot.dispose();
  };
  if (state.spans !== undefined || state.policies?.some((entry) => entry.disposes) === true) state.onBodyEnd(leave);
  else leave();
}
