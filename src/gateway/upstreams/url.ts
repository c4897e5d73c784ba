/** The upstream behind a URL: a reverse proxy that streams in both directions. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { upstreamCallback } from "../callback.ts";
import { requestState } from "../context.ts";
import type { BoundUpstream } from "../internals.ts";
import type { UrlUpstream } from "../types.ts";
import { known } from "../validate.ts";
import { FORWARD_OPTIONS, forwardSettings, type ForwardSettings } from "./forward-settings.ts";
import { calledHere, forward, refusedHere } from "./forward.ts";
import { throughTargetGate } from "./target-gate.ts";
import { checkOrigins, checkTarget, chosenTarget, type Target } from "./target.ts";

const OPTIONS = ["type", "target", "allowOrigins", "canary", ...FORWARD_OPTIONS] as const satisfies readonly (keyof UrlUpstream)[];

/** Checks the options, and gives the call. Throws a `config_error` naming option and route. */
export function bindUrlUpstream(config: UrlUpstream, where: string): BoundUpstream {
  known(`option of the upstream of ${where}`, config, OPTIONS);
  const settings = forwardSettings(config, where);
  const { target } = config;
  if (typeof target !== "function") {
    const fixed = checkTarget(`"target" of the upstream of ${where}`, target);
    const text = targetText(fixed);
    return (c) => call(c, settings, fixed, text);
  }
  const allowed = checkOrigins(`"allowOrigins" of the upstream of ${where}`, config.allowOrigins);
  const to = (c: Context, value: unknown): MaybePromise<Response> => {
    const state = requestState(c);
    let chosen: Target;
    try {
      chosen = chosenTarget(value, allowed);
    } catch (error) {
      throw refusedHere(state, error);
    }
    state.upstreamTarget = targetText(chosen);
    return call(c, settings, chosen, state.upstreamTarget);
  };
  const upstream = (c: Context): MaybePromise<Response> => {
    const planned = requestState(c).plan?.target;
    if (planned !== undefined) return call(c, settings, planned, targetText(planned));
    const chosen = calledHere(c, () => upstreamCallback("target", () => target(c)));
    return isPromise(chosen) ? chosen.then((late) => to(c, late)) : to(c, chosen);
  };
  return Object.assign(upstream, {
    choose: (c: Context): MaybePromise<string> => {
      const chosen = upstreamCallback("target", () => target(c));
      return isPromise(chosen) ? chosen.then((late) => targetText(chosenTarget(late, allowed))) : targetText(chosenTarget(chosen, allowed));
    },
  });
}

/** Calls `target`, or the place a policy has sent the request to. */
function call(c: Context, settings: ForwardSettings, own: Target, ownText: string): MaybePromise<Response> {
  const state = requestState(c);
  const planned = state.plan?.target;
  const target = planned ?? own;
  const text = planned === undefined ? ownText : targetText(planned);
  if (planned !== undefined) state.upstreamTarget = text;
  const { targetGate } = state;
  return targetGate === undefined ? forward(c, settings, target) : throughTargetGate(targetGate, c, text, () => forward(c, settings, target));
}

export function targetText({ origin, basePath, search }: Target): string {
  return `${origin}${basePath}${search}`;
}
