/** Circuits per target: asked once it is known where a call goes. */

import type { Context } from "hono";
import { requestState } from "../context.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";

/** Lets a call of one target through, or not. Set by `circuitBreaker({ scope: "target" })`. */
export type TargetGate = (c: Context, target: string) => MaybePromise<TargetPass>;

export type TargetPass =
  | {
      readonly allowed: true;
      /** Told how the call ended: the response, or what it threw. */
      readonly report: (response: Response | undefined, error: unknown) => void;
    }
  | {
      readonly allowed: false;
      /** Throws the answer to a request that has nowhere else to go. */
      readonly refuse: () => never;
    };

/** Calls the one target there is. */
export function throughTargetGate(gate: TargetGate, c: Context, target: string, run: () => MaybePromise<Response>): MaybePromise<Response> {
  const pass = gate(c, target);
  const go = (found: TargetPass): MaybePromise<Response> => {
    if (found.allowed) return reported(found.report, run);
    requestState(c).upstreamCalls--;
    return found.refuse();
  };
  return isPromise(pass) ? pass.then(go) : go(pass);
}

/** Runs the call and reports its end. */
export async function reported(report: (response: Response | undefined, error: unknown) => void, run: () => MaybePromise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await run();
  } catch (error) {
    report(undefined, error);
    throw error;
  }
  report(response, undefined);
  return response;
}
