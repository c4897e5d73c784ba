/** Which object has a topic: the same for ever, and for everybody. */

import { OptionError } from "../../core/errors.ts";

/** The name of the object that has a topic. Throws `RangeError` unless `shards` is a positive integer. */
export function topicToDoName(topic: string, shards: number, prefix: string = "ws-router"): string {
  if (!Number.isSafeInteger(shards) || shards < 1) throw new OptionError("shards", shards, "a positive integer");
  let hash = 0;
  for (let i = 0; i < topic.length; i++) hash = ((hash << 5) - hash + topic.charCodeAt(i)) | 0;
  return `${prefix}-${(hash >>> 0) % shards}`;
}
