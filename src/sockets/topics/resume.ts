/** Coming back: the topics a client had, what it missed of them, and where that cannot be told. */

import { chain } from "../../core/maybe-promise.ts";
import { type LogSlice, parseOffset } from "../../state/pubsub/topic-log.ts";
import type { Connection } from "../connection.ts";
import { CONTROL } from "../names.ts";
import { topicFrame } from "./fan-out.ts";

type Status = { status: "ok" | "gap" | "denied"; offset?: string };

/** Topics of one `$ws:resume`. */
const MAX_RESUMED = 1000;

export async function resumeTopics(connection: Connection, wanted: Record<string, unknown>): Promise<void> {
  const { hub } = connection;
  const names = Object.keys(wanted).slice(0, MAX_RESUMED);
  const answer: Record<string, Status> = {};
  const slices: { readonly topic: string; readonly slice: LogSlice; readonly after: unknown }[] = [];
  // Everything later waits behind the answer and what was missed.
  const slot = connection.outbox.hold();
  const replaying = (connection.replaying ??= new Map());
  try {
    for (const name of names) {
      const result = await resumeOne(connection, name, wanted[name], replaying);
      Object.defineProperty(answer, name, { value: result.status, enumerable: true, configurable: true, writable: true });
      if (result.slice !== undefined) slices.push({ topic: result.topic, slice: result.slice, after: wanted[name] });
    }
  } catch (error) {
    hub.reportError(error, connection, CONTROL.resume);
  }
  if (connection.isGone) return;
  connection.outbox.settle(slot, hub.controlFrame(connection.codec, CONTROL.resumed, { topics: answer }));
  for (const { topic, slice } of slices) {
    let last = -1;
    let epoch: string | undefined;
    for (const { offset, body } of slice.entries) {
      const { type, meta, payload } = JSON.parse(body) as { type: string; meta: Record<string, unknown>; payload: unknown };
      connection.outbox.write(topicFrame(hub, connection.codec, { topic, type, meta, payload, offset }));
      const parsed = parseOffset(offset);
      last = parsed?.n ?? last;
      epoch = parsed?.epoch ?? epoch;
    }
    const newest = parseOffset(slice.last);
    for (const live of replaying.get(topic) ?? []) {
      const parsed = parseOffset(live.offset);
      const known = parsed !== undefined && ((parsed.epoch === epoch && parsed.n <= last) || (parsed.epoch === newest?.epoch && parsed.n <= newest.n));
      if (!known) connection.outbox.write(live.frame);
    }
    replaying.delete(topic);
  }
  for (const topic of replaying.keys()) {
    for (const live of replaying.get(topic) ?? []) connection.outbox.write(live.frame);
    replaying.delete(topic);
  }
  if (replaying.size === 0) connection.replaying = undefined;
}

async function resumeOne(
  connection: Connection, name: string, after: unknown, replaying: NonNullable<Connection["replaying"]>,
): Promise<{ readonly topic: string; readonly status: Status; readonly slice?: LogSlice }> {
  const { topics } = connection.hub;
  let topic = name;
  try {
    topic = topics.normalise(name, connection);
    if (!topics.keepsHistory(topic)) return { topic, status: { status: "denied" } };
    replaying.set(topic, []);
    // Subscribing asks the policy again, as a new subscription does.
    await connection.topics.subscribe(topic);
    await topics.authorise("history", topic, connection);
  } catch {
    replaying.delete(topic);
    return { topic, status: { status: "denied" } };
  }
  const known = parseOffset(after) !== undefined;
  const slice = await chain(topics.history!.read(topic, known ? (after as string) : "none:0", topics.policy.history!), (read) => read);
  return { topic, slice, status: { status: slice.gap || !known ? "gap" : "ok", ...(slice.last === undefined ? {} : { offset: slice.last }) } };
}
