/** Lines for people at a terminal. */

/** How much a line matters. */
export type SinkLevel = "debug" | "info" | "warn" | "error";

/** From what matters least. */
export const SINK_LEVELS: readonly SinkLevel[] = ["debug", "info", "warn", "error"];

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Text without control characters: what others sent must not move a cursor or fake a line. @param shown what stands for one, a space by default */
export function withoutControls(text: string, shown: (control: string) => string = () => " "): string {
  return text.replace(CONTROL, shown);
}
