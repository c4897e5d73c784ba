/** What a call is doing, on a terminal in one line that is written over, elsewhere in one line per event. */

import type { WriteStream } from "node:tty";
import { withoutControls } from "../core/console-line.ts";

interface Facts {
  readonly type: string;
  readonly elapsedMs: number;
  readonly [fact: string]: unknown;
}

export interface ProgressLine {
  event(facts: Facts): void;
  bytes(progress: { readonly direction: string; readonly loadedBytes: number; readonly totalBytes?: number }): void;
  /** Takes the line away, so that a result does not stand beside it. */
  clear(): void;
}

const LEFT_OUT: ReadonlySet<string> = new Set(["type", "at", "elapsedMs", "name", "traceId", "spanId", "parentSpanId", "attempt", "ok"]);
const BAR = 24;

export function progressLine(out: NodeJS.WriteStream | WriteStream): ProgressLine {
  const live = out.isTTY === true;
  let shown = false;
  const write = (text: string, stays: boolean): void => {
    const plain = withoutControls(text);
    if (!live) {
      if (stays) out.write(`${plain}\n`);
      return;
    }
    out.write(`\r\u001b[2K${plain.slice(0, Math.max(20, out.columns - 1))}${stays ? "\n" : ""}`);
    shown = !stays;
  };
  return {
    event(facts) {
      const { type, elapsedMs } = facts;
      if (type === "delta" || type === "result" || (type === "done" && facts["ok"] === true)) return;
      const said = Object.entries(facts).filter(([key, value]) => !LEFT_OUT.has(key) && value !== undefined).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
      write(`${String(Math.round(elapsedMs)).padStart(6)} ms  ${type.padEnd(8)} ${said.join(" ")}`, type !== "progress" || !live);
    },
    bytes({ direction, loadedBytes, totalBytes }) {
      const share = totalBytes === undefined || totalBytes === 0 ? undefined : Math.min(1, loadedBytes / totalBytes);
      const bar = share === undefined ? "" : ` [${"#".repeat(Math.round(share * BAR)).padEnd(BAR, ".")}] ${Math.round(share * 100)} %`;
      write(`${direction}${bar} ${loadedBytes}${totalBytes === undefined ? "" : ` of ${totalBytes}`} bytes`, false);
    },
    clear() {
      if (shown) out.write("\r\u001b[2K");
      shown = false;
    },
  };
}
