/** Reading streams. */

export { runStream } from "../streams/run-stream.ts";
export { watched } from "../streams/watched.ts";
