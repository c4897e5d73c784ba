/** A client adapter over a version of undici that the user brings: pool size, HTTP/2 and keep-alive are theirs to choose. */

import type { Adapter, AdapterRequest } from "../../core/adapter.ts";
import { checkInteger, checkPositive } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";
import { bodyCodings, flatField, type RawResponse, type RawTransportRequest } from "../../core/transport.ts";
import { decoded } from "./decode.ts";
import { Exchange, rawForm } from "./exchange.ts";

/** What is used of the module `undici`. */
export interface UndiciLike {
  readonly Agent: new (options: never) => UndiciAgentLike;
}

export interface UndiciAgentLike {
  dispatch(options: never, handler: never): boolean;
  close(): Promise<void>;
}

export interface UndiciAdapterOptions {
  /** Of the user's: it is never closed here. @default one of its own */
  readonly agent?: UndiciAgentLike;
  /** Connections per origin. @default 128 */
  readonly connections?: number;
  /** Where the server offers it. @default true */
  readonly http2?: boolean;
  /** How long an idle connection is kept, ms. @default 10000 */
  readonly keepAliveMs?: number;
}

/** An adapter for `sluice/client` over `import * as undici from "undici"`. @throws OptionError */
export function undiciAdapter(undici: UndiciLike, options: UndiciAdapterOptions = {}): Adapter {
  if (typeof undici?.Agent !== "function") throw new OptionError("undici", undici, "the module undici");
  const connections = checkInteger("connections", options.connections ?? 128, 1);
  const keepAliveTimeout = checkPositive("keepAliveMs", options.keepAliveMs ?? 10_000);
  const http2 = options.http2 ?? true;
  let own: UndiciAgentLike | undefined;
  const agent = (): UndiciAgentLike => options.agent ?? (own ??= new undici.Agent({ connections, keepAliveTimeout, allowH2: http2, bodyTimeout: 0 } as never));
  const adapter = (request: AdapterRequest): Promise<RawResponse> => new Promise((resolve, reject) => {
    const raw = rawRequest(request);
    const exchange = new Exchange(raw, rawForm, (response) => {
      const codings = bodyCodings(flatField(response.headers, "content-encoding"));
      if (codings.length === 0) resolve(response);
      else decoded(response, codings, raw).then(resolve, reject);
    }, reject);
    const { origin, pathname, search } = raw.url;
    try {
      exchange.begin();
      agent().dispatch({ origin, path: pathname + search, method: request.method, headers: raw.headers, body: raw.body, headersTimeout: 0, bodyTimeout: 0 } as never, exchange as never);
    } catch (error) {
      exchange.onError(error);
    }
  });
  return Object.assign(adapter, {
    capabilities: { stream: true, uploadProgress: true, http2, sending: true, redirects: false },
    async close() {
      await own?.close();
      own = undefined;
    },
  });
}

function rawRequest(request: AdapterRequest): RawTransportRequest {
  const flat: string[] = [];
  for (const [name, value] of Object.entries(request.headers)) flat.push(name, value);
  return {
    url: new URL(request.url), method: request.method, headers: flat, collect: !request.stream,
    body: typeof request.body === "string" ? new TextEncoder().encode(request.body) : request.body,
    maxResponseBytes: request.stream ? undefined : request.maxResponseBytes, idleBodyTimeoutMs: request.idleTimeoutMs ?? 0,
    onCancel: (cancel) => request.onCancel(cancel), onSending: () => request.onSending(), onHeaders: (status) => request.onHeaders(status),
  };
}
