/** Reading streams. */

export { readEvents } from "../streams/events.ts";
export { readFrames } from "../streams/frames.ts";
