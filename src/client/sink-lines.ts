/** Events on their way to sinks: none of them can fail, slow or fill up a call. */

import { isPromise } from "../core/maybe-promise.ts";
import { configError } from "./errors.ts";
import type { SinkContext, StitchEvent, TraceSink } from "./events.ts";

/** Events that wait for a slow sink; beyond it new ones are dropped and counted. */
const MAX_WAITING = 1000;

interface Line {
  readonly sink: TraceSink;
  readonly waiting: [StitchEvent, SinkContext][];
  busy: Promise<void> | undefined;
  dropped: number;
}

export class SinkLines {
  readonly #lines: readonly Line[];
  /** A sink wants bodies. */
  readonly payloads: boolean;
  readonly maxBodyBytes: number;

  constructor(sinks: readonly TraceSink[]) {
    this.#lines = sinks.map((sink) => ({ sink, waiting: [], busy: undefined, dropped: 0 }));
    const wanting = sinks.filter((sink) => sink.payloads === true);
    this.payloads = wanting.length > 0;
    this.maxBodyBytes = Math.max(0, ...wanting.map((sink) => sink.maxBodyBytes ?? 2048));
  }

  get active(): boolean {
    return this.#lines.length > 0;
  }

  /** Events dropped so far, over all sinks. */
  get dropped(): number {
    return this.#lines.reduce((sum, line) => sum + line.dropped, 0);
  }

  send(event: StitchEvent, context: SinkContext, bare: SinkContext): void {
    for (const line of this.#lines) {
      const own = line.sink.payloads === true ? context : bare;
      if (line.busy === undefined) this.#handle(line, event, own);
      else if (line.waiting.length < MAX_WAITING) line.waiting.push([event, own]);
      else line.dropped++;
    }
  }

  /** Waits for what is on its way, then flushes. */
  async flush(): Promise<void> {
    await Promise.all(this.#lines.map(async (line) => {
      while (line.busy !== undefined) await line.busy;
      await quietly(() => line.sink.flush?.());
    }));
  }

  async close(): Promise<void> {
    await this.flush();
    await Promise.all(this.#lines.map((line) => quietly(() => line.sink.close?.())));
  }

  #handle(line: Line, event: StitchEvent, context: SinkContext): void {
    try {
      const done = line.sink.handle(event, context);
      if (!isPromise(done)) return;
      const settle = (): void => {
        line.busy = undefined;
        while (line.busy === undefined && line.waiting.length > 0) this.#handle(line, ...(line.waiting.shift() as [StitchEvent, SinkContext]));
      };
      line.busy = (done as Promise<void>).then(settle, settle);
    } catch {
      // A sink observes: what it throws is its own affair.
    }
  }
}

async function quietly(run: () => unknown): Promise<void> {
  try {
    await run();
  } catch {
    // See above.
  }
}

export function checkSinks(trace: unknown): readonly TraceSink[] {
  if (trace === undefined || trace === false) return [];
  const sinks = Array.isArray(trace) ? (trace as unknown[]) : [trace];
  for (const sink of sinks) if (typeof (sink as TraceSink | null)?.handle !== "function") throw configError("trace", sink, "a sink with handle(event, context), a list of them, or false");
  return sinks as TraceSink[];
}
