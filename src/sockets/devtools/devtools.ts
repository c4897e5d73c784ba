/** A page that shows what the sockets of a router are doing. Off unless it is mounted. */

import type { TimerHandle } from "../../core/clock.ts";
import { isFromThisMachine } from "../../core/loopback.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { checkBoolean, checkKeys, checkOptionalFunction } from "../check.ts";
import { type AnyEvent, checkMessage } from "../message.ts";
import { redactDetails } from "../redact.ts";
import { type RouterCore, coreOf } from "../router-core.ts";
import type { RouterOf } from "../router.ts";
import type { ConnectionData, MiddlewareContext, Next } from "../types.ts";
import { Figures } from "./figures.ts";
import { devtoolsPage } from "./page.ts";

export interface DevtoolsOptions {
  /**
   * Only `true` lets a request in; a throw does not. A proxy on the same machine makes everybody local, so give it wherever one may
   * stand in front. Publishing from the page needs it. @default requests straight from this machine only, to look
   */
  readonly authorize?: (request: Request) => MaybePromise<unknown>;
  /** Shows the payloads of received messages, redacted and cut to 1 KB, and the newest message of a topic with history. @default false */
  readonly payloads?: boolean;
  /** Events that may be published from the page beside those the router handles. */
  readonly messages?: readonly AnyEvent[];
}

/** Answers requests below any path that ends in `/`. */
export interface Devtools {
  /** `ip` is the address of the peer: `serve({ fetch })` gives it. */
  readonly fetch: (request: Request, peer?: { readonly ip: string | undefined }) => Promise<Response>;
  /** Ends the feeds of those who watch. */
  close(): void;
}

const EVERY_MS = 1000;
const MAX_PAYLOAD = 1024;
const MAX_BODY = 1_000_000;

/**
 * Connections, topics, rates, slow consumers, latest frames and failures, and a box that publishes.
 *
 * ```ts
 * const tools = devtools(router);
 * await serve(router, { anonymous: true, path: "/ws", fetch: tools.fetch });   // http://127.0.0.1:8787/
 * ```
 *
 * @throws OptionError for what is no router, and for an option that is unknown or out of its domain.
 */
export function devtools<Data = ConnectionData>(router: RouterOf<Data>, options: DevtoolsOptions = {}): Devtools {
  checkKeys("devtools", options, ["authorize", "payloads", "messages"]);
  const { authorize, payloads = false, messages = [] } = options;
  checkOptionalFunction("devtools.authorize", authorize);
  checkBoolean("devtools.payloads", payloads);
  for (const [i, descriptor] of messages.entries()) checkMessage(`devtools.messages[${i}]`, descriptor, "event");
  const tools = new Tools(coreOf(router), authorize, messages);
  if (payloads) tools.showPayloads();
  return { fetch: (request, peer) => tools.answer(request, peer?.ip), close: () => tools.close() };
}

class Tools {
  readonly #core: RouterCore;
  readonly #authorize: DevtoolsOptions["authorize"];
  readonly #messages: readonly AnyEvent[];
  #payloads = false;
  /** Counts while somebody watches: without a viewer there is no sink, and events cost nothing. */
  #figures: Figures | undefined;
  #stop: (() => void) | undefined;
  readonly #viewers = new Set<() => void>();

  constructor(core: RouterCore, authorize: DevtoolsOptions["authorize"], messages: readonly AnyEvent[]) {
    this.#core = core;
    this.#authorize = authorize;
    this.#messages = messages;
  }

  showPayloads(): void {
    const { redact } = this.#core.options;
    this.#payloads = true;
    this.#core.use(((ctx: MiddlewareContext, next: Next) => {
      if (ctx.payload !== undefined) this.#figures?.payload(ctx.type, ctx.clientId, (JSON.stringify(redactDetails(ctx.payload, redact)) ?? "").slice(0, MAX_PAYLOAD));
      return next();
    }) as never, { stage: "raw" });
  }

  async answer(request: Request, ip: string | undefined): Promise<Response> {
    if (!(await this.#allowed(request, ip))) return text(403, "The devtools are not for this caller");
    const { pathname, searchParams } = new URL(request.url);
    const page = pathname.slice(pathname.lastIndexOf("/") + 1);
    if (page === "publish") return request.method === "POST" ? this.#publish(request) : text(405, "Publishing is a POST", { allow: "POST" });
    if (request.method !== "GET") return text(405, "Pages are read", { allow: "GET" });
    switch (page) {
      case "": return devtoolsPage(this.#core.options.random.uuid());
      case "stream": return this.#stream();
      case "messages": return json([...this.#events().keys()]);
      case "history": return this.#history(searchParams.get("topic") ?? "");
      default: return text(404, "There is no such page");
    }
  }

  async #allowed(request: Request, ip: string | undefined): Promise<boolean> {
    if (this.#authorize === undefined) return isFromThisMachine(ip, request.headers, request.url);
    try {
      return (await this.#authorize(request)) === true;
    } catch {
      return false;
    }
  }

  #events(): Map<string, AnyEvent> {
    return new Map([...this.#core.handledEvents(), ...this.#messages].map((descriptor) => [descriptor.type, descriptor]));
  }

  async #publish(request: Request): Promise<Response> {
    // A proxy on this machine makes everybody local: what changes something asks for more than that.
    if (this.#authorize === undefined) return text(403, "Publishing from this page needs the option authorize");
    // A form of another site cannot send this type, and a script of one is asked for its origin.
    if (request.headers.get("content-type")?.split(";")[0] !== "application/json") return text(415, "The body is JSON");
    const origin = request.headers.get("origin");
    if (origin !== null && origin !== new URL(request.url).origin && (!URL.canParse(origin) || new URL(origin).host !== request.headers.get("host"))) return text(403, "This page is of another site");
    let body: { readonly topic?: unknown; readonly type?: unknown; readonly payload?: unknown };
    try {
      const sent = await bounded(request);
      if (sent === undefined) return text(413, "The body is too large");
      body = JSON.parse(sent) as typeof body;
    } catch {
      return text(400, "The body is no JSON");
    }
    const descriptor = this.#events().get(String(body?.type));
    if (descriptor === undefined) return text(400, "This type is not known here: give it to messages");
    const result = await this.#core.publish(String(body.topic), descriptor, body.payload);
    const { cause: _, ...said } = result as typeof result & { cause?: unknown };
    return json(said, result.ok ? 200 : 422);
  }

  async #history(topic: string): Promise<Response> {
    if (!this.#payloads) return text(403, "The past is shown with the option payloads");
    try {
      const entries = await this.#core.topics.history(topic, { limit: 1 });
      return json(entries.map((entry) => ({ ...entry, payload: redactDetails(entry.payload, this.#core.options.redact) })));
    } catch (error) {
      return text(422, error instanceof Error ? error.message : String(error));
    }
  }

  #stream(): Response {
    const { clock } = this.#core.options;
    if (this.#figures === undefined) {
      this.#figures = new Figures(this.#core);
      this.#stop = this.#core.observe(this.#figures.take);
    }
    const figures = this.#figures;
    const encoder = new TextEncoder();
    let timer: TimerHandle;
    let end = (): void => undefined;
    const leave = (): void => {
      clock.clearTimeout(timer);
      if (!this.#viewers.delete(end) || this.#viewers.size > 0) return;
      this.#stop?.();
      this.#figures = this.#stop = undefined;
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        end = () => {
          leave();
          try {
            controller.close();
          } catch {
            // The viewer has left already.
          }
        };
        this.#viewers.add(end);
        const send = (): void => {
          // A viewer that reads nothing gets nothing more.
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(`data: ${JSON.stringify(figures.view())}\n\n`));
          timer = clock.setTimeout(send, EVERY_MS, true);
        };
        send();
      },
      cancel: leave,
    }, { highWaterMark: 4 });
    return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff" } });
  }

  close(): void {
    for (const end of this.#viewers) end();
  }
}

function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" } });
}

function text(status: number, said: string, headers: Record<string, string> = {}): Response {
  return new Response(said, { status, headers: { ...headers, "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", "x-content-type-options": "nosniff" } });
}

/** The body as text; `undefined` when it is too large. */
async function bounded(request: Request): Promise<string | undefined> {
  if (request.body === null) return "";
  const reader = request.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > MAX_BODY) {
      void reader.cancel().catch(() => undefined);
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}
