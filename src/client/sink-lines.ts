/** Events on their way to sinks: none of them can fail, slow or fill up a call. */

import { isPromise } from "../core/maybe-promise.ts";
import type { Call } from "./call.ts";
import type { SinkContext, StitchEvent, TraceSink } from "./events.ts";
import { MASK, plain, type Redactor } from "./redact.ts";

/** Events that wait for a slow sink; beyond it new ones are dropped and counted. */
const MAX_WAITING = 1000;
/** Bytes of an answer that are read for sinks; a longer JSON is left out. */
const MAX_SHOWN_BYTES = 1024 * 1024;

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

  /** Events dropped so far, over all sinks. */
  get dropped(): number {
    return this.#lines.reduce((sum, line) => sum + line.dropped, 0);
  }

  /** Bodies for sinks that want them, redacted. */
  keepRequest(call: Call, text: string | undefined): void {
    if (this.payloads && !call.plan.sensitive && text !== undefined) call.requestBody = redactedBody(call.plan.redactor, text, this.maxBodyBytes);
  }

  keepResponse(call: Call, bytes: Uint8Array): void {
    if (this.payloads && !call.plan.sensitive) call.responseBody = redactedBody(call.plan.redactor, new TextDecoder().decode(bytes.subarray(0, MAX_SHOWN_BYTES)), this.maxBodyBytes);
  }

  send(call: Call, told: StitchEvent, error: unknown): void {
    const { plan } = call;
    const event = withoutData(told);
    const bare: SinkContext = { method: plan.method, template: plan.redactor.url(plan.template?.text ?? plan.name), url: call.shownUrl ?? "", principal: call.principal !== undefined, error };
    const context = this.payloads && !plan.sensitive ? { ...bare, requestBody: call.requestBody, responseBody: call.responseBody } : bare;
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

const FIELD = /(^|&)([^=&]*)=([^&]*)/g;

/** A JSON text or form with secret fields masked, and then cut to `maxBytes`. What looks like JSON and cannot be read whole is left out: where its secrets end cannot be told. */
function redactedBody(redactor: Redactor, text: string, maxBytes: number): string {
  let shown: string;
  try {
    shown = JSON.stringify(redactor.value(JSON.parse(text)));
  } catch {
    if (/^\s*[[{"]/.test(text)) return "[JSON that cannot be read whole]";
    shown = text.replace(FIELD, (pair, lead: string, name: string) => (redactor.hidesField(plain(name)) ? `${lead}${name}=${MASK}` : pair));
  }
  shown = redactor.text(shown);
  return shown.length > maxBytes ? `${shown.slice(0, maxBytes)}...` : shown;
}

/** Sinks never see data. */
function withoutData(event: StitchEvent): StitchEvent {
  if (event.type !== "result" && event.type !== "delta") return event;
  const { data: _, ...rest } = event as StitchEvent & { data: unknown };
  return { ...rest, data: undefined } as StitchEvent;
}
