/** The row of a circuit as bytes. */

import { decodeText, encodeText } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Row } from "../define-algorithm.ts";
import { DISABLED, EPOCH, LIVE_UNTIL, PHASE, POSITION, SLOTS, WIDTH, WINDOW_MS } from "./circuit-row.ts";

/** Cells joined by commas, a zero is nothing, zeros at the end are left out: about 100 bytes for a circuit with failures. */
export function encode(state: Row): Uint8Array {
  let end = WIDTH;
  while (end > 0 && state[end - 1] === 0) end--;
  let text = "";
  for (let i = 0; i < end; i++) text += `${i === 0 ? "" : ","}${state[i] === 0 ? "" : state[i]}`;
  return encodeText(text);
}

export function decode(bytes: Uint8Array): Row {
  const parts = decodeText(bytes).split(",");
  const cells = Array.from<number>({ length: WIDTH }).fill(0);
  let fits = parts.length <= WIDTH;
  for (let i = 0; fits && i < parts.length; i++) {
    cells[i] = Number(parts[i]);
    fits = Number.isSafeInteger(cells[i]) && (cells[i] as number) >= 0;
  }
  if (!fits || cells[EPOCH] === 0 || cells[LIVE_UNTIL] === 0 || (cells[PHASE] as number) > DISABLED || (cells[POSITION] as number) >= SLOTS || cells[WINDOW_MS] === 0) {
    throw new StoreError("STORE_CORRUPT", "the stored state of a circuit is damaged and cannot be decoded");
  }
  return cells;
}
