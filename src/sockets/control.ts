/** Control frames: heartbeat, abort, auth and resume. They never wait, and middleware does not see them. */

import { isPromise } from "../core/maybe-promise.ts";
import { CLOSE } from "./close-codes.ts";
import type { Connection } from "./connection.ts";
import type { Envelope } from "./envelope.ts";
import { fixedFrame } from "./frame.ts";
import { CONTROL, HEARTBEAT_ACK_TEXT } from "./names.ts";
import { resumeTopics } from "./topics/resume.ts";
import { violation } from "./violation.ts";

/** True when the frame was a control frame and has been dealt with. */
export function handleControl(connection: Connection, envelope: Envelope): boolean {
  switch (envelope.type) {
    case CONTROL.heartbeat:
      connection.outbox.write(fixedFrame(connection.codec, HEARTBEAT_ACK_TEXT));
      return true;
    case CONTROL.heartbeatAck:
      return true;
    case CONTROL.abort:
      if (envelope.correlationId === undefined) malformed(connection, envelope, "an abort names the call it aborts in meta.correlationId");
      else connection.ownWork?.call(envelope.correlationId)?.cancel();
      return true;
    case CONTROL.auth: {
      const token = member(envelope.payload, "token");
      if (typeof token !== "string" || token === "") malformed(connection, envelope, "$ws:auth has a payload with a token");
      else refresh(connection, token, envelope.correlationId);
      return true;
    }
    case CONTROL.resume: {
      const topics = member(envelope.payload, "topics");
      if (typeof topics !== "object" || topics === null || Array.isArray(topics)) malformed(connection, envelope, "$ws:resume has a payload with topics");
      else void resumeTopics(connection, topics as Record<string, unknown>);
      return true;
    }
    default:
      return false;
  }
}

function member(payload: unknown, name: string): unknown {
  return typeof payload === "object" && payload !== null && Object.hasOwn(payload, name) ? (payload as Record<string, unknown>)[name] : undefined;
}

function malformed(connection: Connection, envelope: Envelope, reason: string): void {
  violation(connection, reason, envelope.correlationId, false);
}

/** A new token for a live connection: accepted it changes the data, refused it closes. */
function refresh(connection: Connection, token: string, correlationId: string | undefined): void {
  const { hub } = connection;
  if (hub.server.reauthenticate === undefined) return void connection.sendError("UNIMPLEMENTED", "this server takes no new token on a live connection", undefined, {}, correlationId);
  const refuse = (): void => connection.close(CLOSE.unauthenticated, "credentials refused");
  const settle = (data: unknown): void => {
    if (connection.isClosing) return;
    if (typeof data !== "object" || data === null) return refuse();
    connection.assignData(data);
    const hooks = hub.authHooks(connection, "refresh");
    if (isPromise(hooks)) hooks.catch(() => refuse());
  };
  try {
    const result = hub.within(hub.reauthenticate(connection, token), hub.server.authTimeoutMs);
    if (isPromise(result)) result.then(settle, (error: unknown) => {
      hub.reportError(error, connection, CONTROL.auth);
      refuse();
    });
    else settle(result);
  } catch (error) {
    hub.reportError(error, connection, CONTROL.auth);
    refuse();
  }
}
