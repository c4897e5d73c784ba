/** WebSockets through the gateway: the request phase runs as for any request, then frames pass in both directions. */

import type { Context } from "hono";
import { WEB_SOCKETS, WebSocketRefused, type WebSocketPeer, type WebSocketRuntime } from "../../core/web-socket-port.ts";
import { byteSize, SocketEnd, type BodyEnd } from "../body-end.ts";
import type { RequestState } from "../context.ts";
import { GatewayError } from "../errors.ts";
import type { ForwardSettings } from "./forward-settings.ts";

/** Whether a GET asks for a WebSocket (RFC 6455 4.2.1). */
export function isUpgrade(c: Context): boolean {
  const { headers } = c.req.raw;
  return headers.get("upgrade")?.toLowerCase().split(",").some((name) => name.trim() === "websocket") === true;
}

/** What the gateway answers with, and with it the handshake, once the upstream has taken its own. */
export async function proxyWebSocket(state: RequestState, url: string, fields: readonly string[], settings: ForwardSettings, onEnd: (() => void) | undefined): Promise<Response> {
  checkHandshake(state, onEnd);
  const { core } = state.snapshot;
  const runtime = runtimeOf(state);
  if (runtime === undefined) {
    state.upstreamCalls--;
    onEnd?.();
    throw new GatewayError(501, "upgrade_unsupported", "WebSockets are not served here");
  }
  // In flight until both sides have closed.
  core.tracker.begin();
  const controller = new AbortController();
  let forget = state.onCancel((reason) => controller.abort(reason));
  const ended = (end?: BodyEnd): void => {
    forget();
    if (end !== undefined) socket.closed(end);
    core.tracker.end();
    onEnd?.();
  };
  let upstream: WebSocketPeer;
  let client: WebSocketPeer;
  let response: Response;
  const socket = new SocketEnd(() => {
    client.terminate();
    upstream.terminate();
  });
  try {
    upstream = await connect(runtime, state, url, fields, settings, controller.signal);
    try {
      ({ peer: client, response } = await runtime.accept(state.original, upstream.protocol));
    } catch (error) {
      upstream.terminate();
      throw error;
    }
  } catch (error) {
    ended();
    throw error;
  }
  // From here on the socket itself says that its client has left, and how; the request's end, which runtimes tell as an abort, says nothing.
  forget();
  forget = core.tracker.onAbort((reason) => controller.abort(reason));
  const closeAll = (): void => {
    client.close(1001, "The gateway is shutting down");
    upstream.close(1001, "The gateway is shutting down");
  };
  core.sockets.add(closeAll);
  controller.signal.addEventListener("abort", socket.terminate, { once: true });
  state.socket = socket;
  join(client, upstream, (end) => {
    core.sockets.delete(closeAll);
    ended(end);
  });
  if (core.closing) closeAll();
  return response;
}

/** RFC 6455 4.2.1 and 4.4: what is no handshake is refused before the upstream hears of it. */
function checkHandshake(state: RequestState, onEnd: (() => void) | undefined): void {
  const { headers } = state.original;
  if (runtimeOf(state) === undefined) return;
  const known = headers.get("sec-websocket-version") === "13";
  if (known && /^[+/0-9A-Za-z]{22}==$/.test(headers.get("sec-websocket-key") ?? "")) return;
  state.upstreamCalls--;
  onEnd?.();
  throw known
    ? new GatewayError(400, "bad_request", "The WebSocket handshake is malformed")
    : new GatewayError(426, "bad_request", "This WebSocket version is not supported", { "sec-websocket-version": "13", upgrade: "websocket" });
}

async function connect(runtime: WebSocketRuntime, state: RequestState, url: string, fields: readonly string[], settings: ForwardSettings, signal: AbortSignal): Promise<WebSocketPeer> {
  const protocols = (state.original.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
  const headers: string[] = [];
  for (let i = 0; i < fields.length; i += 2) if (!(fields[i] as string).startsWith("sec-websocket-")) headers.push(fields[i] as string, fields[i + 1] as string);
  try {
    return await runtime.connect(url, { protocols, headers, timeoutMs: settings.headersTimeoutMs === 0 ? 0 : settings.headersTimeoutMs + settings.connectTimeoutMs, signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof WebSocketRefused) {
      // The upstream's refusal is the client's to know, its words are not.
      if (error.status >= 400 && error.status < 500) throw new GatewayError(error.status, "upstream_error", "The upstream refused the WebSocket", undefined, { cause: error });
      throw new GatewayError(502, "upstream_error", "The upstream gave no valid response", undefined, { cause: error });
    }
    const late = error instanceof Error && /timed? ?out/i.test(error.message);
    throw new GatewayError(late ? 504 : 502, late ? "upstream_timeout" : "upstream_error", late ? "The upstream did not answer in time" : "The upstream gave no valid response", undefined, { cause: error });
  }
}

function runtimeOf(state: RequestState): WebSocketRuntime | undefined {
  const env = state.c.env as { [WEB_SOCKETS]?: WebSocketRuntime } | undefined | null;
  return env?.[WEB_SOCKETS] ?? state.adapter?.webSockets;
}

/** Passes messages both ways under backpressure, and a close with its code; `ended` is called once both are closed, with what went to the client. */
function join(client: WebSocketPeer, upstream: WebSocketPeer, ended: (end: BodyEnd) => void): void {
  let open = 2;
  let bytes = 0;
  let aborted = false;
  const pipe = (from: WebSocketPeer, to: WebSocketPeer): void => {
    from.listen(
      (data) => {
        if (to === client) bytes += byteSize(data);
        const wait = to.send(data);
        if (wait === undefined) return;
        from.pause?.();
        const resume = (): void => from.resume?.();
        wait.then(resume, resume);
      },
      (code, reason) => {
        if (code === 1006) aborted = true;
        passClose(to, code, reason);
        if (--open === 0) ended({ bytes, aborted });
      },
    );
  };
  pipe(client, upstream);
  pipe(upstream, client);
}

/** 1005 stands for a close frame without code; a lost connection (1006) and its kin cannot be sent (RFC 6455 7.4.1). */
function passClose(to: WebSocketPeer, code: number, reason: string): void {
  if (code === 1005) to.close();
  else if ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)) to.close(code, reason);
  else to.close(1011, "The other side of the connection was lost");
}
