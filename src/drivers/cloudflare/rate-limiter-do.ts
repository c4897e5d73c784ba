/** `RateLimiterDO`: one limited subject per object. */

import { OptionError } from "../../core/errors.ts";
import type { FixedWindowDecision } from "../../state/algorithms/fixed-window.ts";
import { fixedWindow } from "../../state/algorithms/fixed-window.ts";
import type { Algorithm } from "../../state/contracts/driver.ts";
import { fixedWindowLimit } from "../../state/limit-policy.ts";
import { countingWindow } from "../../state/stores/counting-window.ts";
import { limitAlgorithms } from "./object/registry.ts";
import { StateObject } from "./object/state-object.ts";
import { fromWire, toWire, toWireError } from "./object/wire.ts";
import type { DurableObjectStateLike } from "./types.ts";

/** The window has just begun when its alarm is set, so it rings once per window. */
const SWEEP_EVERY_MS = 1000;

/**
 * The counter and the limits of one key. `DurableObjectRateLimitStore` gives every key an object of its own.
 *
 * Over `fetch`: `?window=<seconds>` counts one more in the fixed window of that length and answers `{"count", "resetAt"}`.
 * Over RPC: {@link RateLimiterDO.increment}, and `run` for every other limit. A count that was answered is never taken back: not
 * by an eviction, not by a crash. When its windows are over an alarm removes what the object stored.
 */
export class RateLimiterDO extends StateObject {
  constructor(ctx: DurableObjectStateLike, env: unknown) {
    super(ctx, env, limitAlgorithms, SWEEP_EVERY_MS);
  }

  /**
   * Counts one more in the fixed window of this key, which begins with its first count. `resetAt` is epoch ms.
   *
   * @throws RangeError for a window that is no number of seconds from 0.001 to 400 days.
   */
  async increment(windowSeconds: number): Promise<{ count: number; resetAt: number }> {
    const { policy, keySuffix } = fixedWindowLimit(countingWindow(windowSeconds));
    const operation = { algorithm: fixedWindow as Algorithm, key: keySuffix, commands: [{ cost: 1, policy }] };
    const [reply] = await this.run([toWire(operation)]);
    const [decision] = fromWire(reply as NonNullable<typeof reply>, operation);
    if (decision instanceof Error) throw decision;
    const { count, resetAt } = decision as FixedWindowDecision;
    return { count, resetAt };
  }

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (!url.searchParams.has("window")) {
      if (request.method === "POST") return super.fetch(request);
      return Response.json({ error: toWireError(new OptionError("window", null, "in the query, as a number of seconds")) }, { status: 400 });
    }
    try {
      return Response.json(await this.increment(secondsOf(url.searchParams.get("window") as string)));
    } catch (error) {
      return Response.json({ error: toWireError(error) }, { status: error instanceof RangeError ? 400 : 500 });
    }
  }
}

function secondsOf(text: string): number {
  // `Number("")` is 0 and `Number("0x10")` is 16.
  return /^\d{1,12}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
}
