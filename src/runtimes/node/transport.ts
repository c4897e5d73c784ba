/**
 * The transport of Node: undici's dispatcher, used directly. `fetch` on the same connections costs five to ten times
 * the CPU, decodes bodies and adds fields.
 */

import { Agent, type Dispatcher } from "undici";
import type { OwnTransport, Transport, TransportRequest } from "../../core/transport.ts";
import { Exchange } from "./exchange.ts";

/** Different connect deadlines need different agents; a configuration has one or two. */
const MAX_AGENTS = 16;

/** A transport whose connections end with `close()`. */
export function createTransport(): OwnTransport {
  const agents = new Map<number, Agent>();
  let closed = false;
  const agentFor = (connectTimeoutMs: number): Agent => {
    let agent = agents.get(connectTimeoutMs);
    if (agent === undefined) {
      if (agents.size >= MAX_AGENTS) return agents.values().next().value as Agent;
      agent = new Agent({ connect: { timeout: connectTimeoutMs }, bodyTimeout: 0 });
      agents.set(connectTimeoutMs, agent);
    }
    return agent;
  };
  return {
    send: (request) => new Promise((resolve, reject) => {
      const exchange = new Exchange(request, resolve, reject);
      if (closed) exchange.onError(new Error("the transport is closed"));
      else start(agentFor(request.connectTimeoutMs ?? 0), request, exchange);
    }),
    async close() {
      closed = true;
      const all = [...agents.values()];
      agents.clear();
      await Promise.all(all.map((agent) => agent.destroy()));
    },
  };
}

function start(agent: Agent, request: TransportRequest, exchange: Exchange): void {
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
