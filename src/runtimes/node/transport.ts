/**
 * The transport of Node: undici's dispatcher, used directly. `fetch` on the same connections costs five to ten times
 * the CPU, decodes bodies and adds fields.
 */

import { Agent, type Dispatcher } from "undici";
import { bodyCodings, flatField, type OwnTransport, type RawTransport, type RawTransportRequest, type Transport } from "../../core/transport.ts";
import { decoded } from "./decode.ts";
import { Exchange, rawForm, responseForm } from "./exchange.ts";
import { publicLookup } from "./public-lookup.ts";

/** Different connect deadlines need different agents; a configuration has one or two. */
const MAX_AGENTS = 16;

/** A transport whose connections end with `close()`. */
export function createTransport(): OwnTransport {
  const agents = new Map<string, Agent>();
  let closed = false;
  let plain: Agent | undefined;
  const agentFor = (connectTimeoutMs: number, publicOnly: boolean): Agent => {
    const usual = connectTimeoutMs === 0 && !publicOnly;
    if (usual && plain !== undefined) return plain;
    const key = `${connectTimeoutMs}${publicOnly ? "p" : ""}`;
    let agent = agents.get(key);
    if (agent === undefined) {
      if (agents.size >= MAX_AGENTS) {
        // Another deadline is a lesser evil than connections without bound; the check of addresses is kept.
        for (const [name, known] of agents) if (name.endsWith("p") === publicOnly) return known;
      }
      agent = new Agent({ connect: publicOnly ? { timeout: connectTimeoutMs, lookup: publicLookup } : { timeout: connectTimeoutMs }, bodyTimeout: 0 });
      agents.set(key, agent);
    }
    if (usual) plain = agent;
    return agent;
  };
  const begin = <H, T>(request: RawTransportRequest, exchange: Exchange<H, T>): void => {
    if (closed) exchange.onError(new Error("the transport is closed"));
    else start(agentFor(request.connectTimeoutMs ?? 0, request.publicOnly === true), request, exchange);
  };
  return {
    send: (request) => new Promise((resolve, reject) => begin(request, new Exchange(request, responseForm, resolve, reject))),
    sendRaw: (request) => new Promise((resolve, reject) => {
      begin(request, new Exchange(request, rawForm, (response) => {
        const codings = bodyCodings(flatField(response.headers, "content-encoding"));
        if (codings.length === 0) resolve(response);
        else decoded(response, codings, request).then(resolve, reject);
      }, reject));
    }),
    async close() {
      closed = true;
      plain = undefined;
      const all = [...agents.values()];
      agents.clear();
      await Promise.all(all.map((agent) => agent.destroy()));
    },
  };
}

function start<H, T>(agent: Agent, request: RawTransportRequest, exchange: Exchange<H, T>): void {
  const { url, headers } = request;
  const options: Dispatcher.DispatchOptions = {
    origin: url.origin,
    path: url.search === "" ? url.pathname : url.pathname + url.search,
    method: request.method as Dispatcher.HttpMethod,
    headers: (Array.isArray(headers) ? headers : flatten(headers as Headers)) as string[],
    body: request.body as Dispatcher.DispatchOptions["body"],
    headersTimeout: request.headersTimeoutMs ?? 0,
    bodyTimeout: 0,
  };
  try {
    exchange.begin();
    agent.dispatch(options, exchange as unknown as Dispatcher.DispatchHandler);
  } catch (error) {
    exchange.onError(error as Error);
  }
}

function flatten(headers: Headers): string[] {
  const list: string[] = [];
  headers.forEach((value, name) => void list.push(name, value));
  return list;
}

let shared: OwnTransport | undefined;

/** The transport of the process, made by the first request. Idle connections never keep a process alive. */
export const transport: Transport = (request) => (shared ??= createTransport()).send(request);

/** The same for callers that take plain data. */
export const rawTransport: RawTransport = (request) => (shared ??= createTransport()).sendRaw(request);
