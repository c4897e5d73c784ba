/** Coming back: the topics a client had, what it missed of them, and where that cannot be told. */

import { isSluiceError } from "../../core/errors.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { createRetry } from "../../resilience/retry.ts";
import { type LogSlice, parseOffset } from "../../state/pubsub/topic-log.ts";
import { CLOSE } from "../close-codes.ts";
import type { Codec } from "../codec.ts";
import type { Connection } from "../connection.ts";
import { TopicError } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { CONTROL } from "../names.ts";
import { topicFrame } from "./fan-out.ts";
import { ReplayGate } from "./replay-gate.ts";

type Status = { status: "ok" | "gap" | "denied"; offset?: string };

interface Resumed {
  readonly topic: string;
  readonly status: Status;
  readonly slice?: LogSlice;
}

/** Topics of one `$ws:resume`. */
const MAX_RESUMED = 1000;
/** A broker that is just coming back: the client waits behind this, so it is short. */
const PATIENCE = { maxRetries: 4, baseDelayMs: 50, maxDelayMs: 500, jitter: "equal" } as const;
/** For all topics together, in ms. */
const PATIENCE_MS = 2000;

export async function resumeTopics(connection: Connection, wanted: Record<string, unknown>): Promise<void> {
  const { hub } = connection;
  const answer: Record<string, Status> = {};
  const resumed: Resumed[] = [];
  const retry = createRetry<unknown>({ ...PATIENCE, judge: (attempt) => !attempt.ok && (isAway(attempt.error) || !(attempt.error instanceof TopicError)), clock: hub.clock, random: hub.options.random });
  const endsAt = hub.monotonic() + PATIENCE_MS;
  const patient = { left: () => connection.isGone, remainingMs: () => endsAt - hub.monotonic() };
  // Everything later waits behind the answer and what was missed.
  const slot = connection.outbox.hold();
  const gate = (connection.gate ??= new ReplayGate());
  try {
    for (const name of Object.keys(wanted).slice(0, MAX_RESUMED)) {
      const result = await resumeOne(connection, name, wanted[name], gate, (ask) => retry.run(ask, patient));
      Object.defineProperty(answer, name, { value: result.status, enumerable: true, configurable: true, writable: true });
      resumed.push(result);
    }
  } catch (error) {
    hub.reportError(error, connection, CONTROL.resume);
    if (isAway(error)) {
      // An answer without some topics would lose them without a word; a client that comes back asks for them again.
      connection.outbox.settle(slot, undefined);
      return connection.close(CLOSE.overload, "the broker is away");
    }
  }
  if (connection.isGone) return;
  connection.outbox.settle(slot, hub.controlFrame(connection.codec, CONTROL.resumed, { topics: answer }));
  for (const { topic, slice } of resumed) {
    if (slice !== undefined) for (const frame of framesOf(connection, topic, slice)) connection.outbox.write(frame);
    for (const frame of gate.release(topic, slice)) connection.outbox.write(frame);
  }
  for (const topic of gate.topics()) for (const frame of gate.release(topic)) connection.outbox.write(frame);
  if (gate.idle) connection.gate = undefined;
}

const written: WeakMap<LogSlice, Map<Codec, readonly Frame[]>> = /* @__PURE__ */ new WeakMap();

/** Written once for all who share the slice. */
function framesOf({ hub, codec }: Connection, topic: string, slice: LogSlice): readonly Frame[] {
  let byCodec = written.get(slice);
  if (byCodec === undefined) written.set(slice, (byCodec = new Map()));
  let frames = byCodec.get(codec);
  if (frames === undefined) {
    frames = slice.entries.flatMap(({ offset, body }) => {
      try {
        const { type, meta, payload } = JSON.parse(body) as { type: string; meta: Record<string, unknown>; payload: unknown };
        return [topicFrame(hub, codec, { topic, type, meta, payload, offset })];
      } catch (error) {
        // One that cannot be written leaves a hole in the numbers, and takes nothing else along.
        hub.reportError(error, undefined, CONTROL.resume);
        return [];
      }
    });
    byCodec.set(codec, frames);
  }
  return frames;
}

/** What a broker that will be back says. */
const AWAY: ReadonlySet<string> = /* @__PURE__ */ new Set(["STORE_UNAVAILABLE", "STORE_TIMEOUT", "STORE_OVERLOADED"]);

function isAway(error: unknown): boolean {
  return error instanceof TopicError && error.code === "ADAPTER_ERROR";
}

async function resumeOne(connection: Connection, name: string, after: unknown, gate: ReplayGate, ask: (question: () => MaybePromise<unknown>) => Promise<unknown>): Promise<Resumed> {
  const { topics } = connection.hub;
  let topic = name;
  try {
    topic = topics.normalise(name, connection);
    if (!topics.keepsHistory(topic)) return { topic, status: { status: "denied" } };
    gate.hold(topic);
    // Subscribing asks the policy again, as a new subscription does.
    await ask(() => connection.topics.subscribe(topic));
    await topics.authorise("history", topic, connection);
  } catch (error) {
    if (isAway(error)) throw error;
    return { topic, status: { status: "denied" } };
  }
  const known = parseOffset(after) !== undefined;
  try {
    const slice = (await ask(() => topics.readShared(topic, known ? (after as string) : "none:0"))) as LogSlice;
    return { topic, slice, status: { status: slice.gap || !known ? "gap" : "ok", ...(slice.last === undefined ? {} : { offset: slice.last }) } };
  } catch (error) {
    if (isSluiceError(error) && AWAY.has(error.code)) throw new TopicError("ADAPTER_ERROR", "the history of the topic cannot be read", { topic }, error);
    connection.hub.reportError(error, connection, CONTROL.resume, "ADAPTER_ERROR");
    // What cannot be read has to be taken for lost; what comes from here on is delivered.
    return { topic, status: { status: "gap" } };
  }
}
