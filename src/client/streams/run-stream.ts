/** A call whose answer is a stream, item by item or collected. */

import type { Call } from "../call.ts";
import { StitchError } from "../errors.ts";
import type { Prepared } from "../prepare.ts";
import type { OnItem } from "../run.ts";
import type { Equipment } from "../tries.ts";
import { readEvents } from "./events.ts";
import { readFrames } from "./frames.ts";

/** Gives every item to `onItem`; without one, all of them at the end, as long as they are few enough. */
export async function runStream(call: Call, prepared: Prepared, equipment: Equipment, onItem: OnItem | undefined): Promise<unknown> {
  const { plan } = call;
  const items: unknown[] = [];
  let size = 0;
  const keep: OnItem = (data, id) => {
    size += typeof data === "string" || data instanceof Uint8Array ? data.length : 64;
    if (size > Math.max(plan.maxResponseBytes, 10_485_760)) throw new StitchError("RESPONSE_TOO_LARGE", "the stream is longer than maxResponseBytes: read it with .stream()", { sent: true });
    items.push(data);
    if (call.watched) call.emit({ type: "delta", data, ...(id === undefined ? {} : { id }) });
  };
  await (plan.kind === "sse" ? readEvents : readFrames)(call, prepared, equipment, onItem ?? keep);
  return onItem === undefined ? items : undefined;
}
