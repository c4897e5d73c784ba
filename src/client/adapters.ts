/** Adapters over the transport port: the runtime's best way out, or `fetch`. */

import { rawTransport } from "#transport";
import type { Adapter, AdapterBody, AdapterCapabilities, AdapterRequest } from "../core/adapter.ts";
import { rawTransportOver } from "../core/fetch-raw.ts";
import type { RawTransport, RawTransportRequest, TransportTarget } from "../core/transport.ts";
import { configError } from "./errors.ts";

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();
const CAPABILITIES: AdapterCapabilities = /* @__PURE__ */ Object.freeze({ stream: true, uploadProgress: true, http2: false, sending: true, redirects: false });

/** An adapter over a raw transport. */
export function adapterOver(transport: RawTransport, capabilities: AdapterCapabilities = CAPABILITIES, close?: () => Promise<void>): Adapter {
  const adapter = (request: AdapterRequest): ReturnType<Adapter> => transport(new Transported(request));
  return Object.assign(adapter, { capabilities, ...(close === undefined ? {} : { close }) });
}

/** The default: undici's dispatcher on Node, `fetch` elsewhere. */
export function defaultAdapter(): Adapter {
  return (shared ??= adapterOver(rawTransport));
}

let shared: Adapter | undefined;

/**
 * An adapter over `fetch`: the platform's as it is at the time of a call, or the one given.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function fetchAdapter(options: { readonly fetch?: typeof globalThis.fetch } = {}): Adapter {
  const { fetch } = options;
  if (fetch !== undefined && typeof fetch !== "function") throw configError("fetch", fetch, "a function");
  return adapterOver((request) => rawTransportOver(fetch ?? globalThis.fetch)(request));
}

/** A request in the transport's terms. A class, so that the hot path makes one object of one shape. */
class Transported implements RawTransportRequest {
  readonly url: TransportTarget;
  readonly method: string;
  readonly headers: string[];
  readonly body: RawTransportRequest["body"];
  readonly collect: boolean;
  readonly maxResponseBytes: number | undefined;
  readonly connectTimeoutMs: number;
  readonly idleBodyTimeoutMs: number;
  readonly publicOnly: boolean;
  readonly #request: AdapterRequest;

  constructor(request: AdapterRequest) {
    this.#request = request;
    this.url = (request as { target?: TransportTarget }).target ?? new URL(request.url);
    this.method = request.method;
    const flat: string[] = [];
    const { headers } = request;
    for (const name in headers) flat.push(name, headers[name] as string);
    this.headers = flat;
    this.body = bytesOf(request.body);
    this.collect = !request.stream;
    this.maxResponseBytes = request.stream ? undefined : request.maxResponseBytes;
    this.connectTimeoutMs = request.connectTimeoutMs ?? 0;
    this.idleBodyTimeoutMs = request.idleTimeoutMs ?? 0;
    this.publicOnly = request.publicOnly;
  }

  get mayFollow(): boolean {
    return this.#request.mayFollow;
  }

  onCancel(cancel: (reason: unknown) => void): () => void {
    return this.#request.onCancel(cancel);
  }

  onSending(): void {
    this.#request.onSending();
  }

  onHeaders(status: number): void {
    this.#request.onHeaders(status);
  }
}

function bytesOf(body: AdapterBody): RawTransportRequest["body"] {
  return typeof body === "string" ? encoder.encode(body) : body;
}
