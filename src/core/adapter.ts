/** The port through which a call of the client leaves: one function per HTTP exchange, on any runtime. */

export type AdapterBody = string | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null;

/** One exchange to make. Redirects are not followed, except in a browser: the client does that. */
export interface AdapterRequest {
  readonly url: string;
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AdapterBody;
  /** Aborts when the exchange is to end. Made when it is first read: `onCancel` is cheaper. */
  readonly signal: AbortSignal;
  /** Calls back with the reason when the exchange is to end; the function returned forgets it. */
  onCancel(listener: (reason: unknown) => void): () => void;
  /** The body is wanted as a stream. Else it is read whole, and an adapter may give its bytes. */
  readonly stream: boolean;
  /** Longest response body, after decoding. */
  readonly maxResponseBytes: number | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  /** Connect to public addresses only, where the adapter can tell. */
  readonly publicOnly: boolean;
  /** Where the platform itself follows redirects (`capabilities.redirects`): whether it may, under the rules of the call. */
  readonly mayFollow: boolean;
  /** To be called when the request may have begun to leave: before it, a failure proves that nothing was sent. */
  onSending(): void;
  /** May be called when the response's status is known, ahead of the body. */
  onHeaders(status: number): void;
}

/** Header fields of a response: a record, `Headers`, or a flat list of lower-case names and values. */
export type AdapterHeaders = Readonly<Record<string, string | readonly string[] | undefined>> | Headers | readonly string[];

export interface AdapterResponse {
  readonly status: number;
  readonly headers?: AdapterHeaders;
  /** Decoded: no content coding is left. */
  readonly body?: Uint8Array | ReadableStream<Uint8Array> | string | null;
  /** Where the answer came from, if the platform followed redirects on the way. */
  readonly url?: string | undefined;
}

export interface AdapterCapabilities {
  /** Bodies arrive as they are sent. */
  readonly stream: boolean;
  /** Request bodies are pulled, so that progress is real. */
  readonly uploadProgress: boolean;
  readonly http2: boolean;
  /** It calls `onSending`. Without, a failure may always have been sent. */
  readonly sending: boolean;
  /** `false`: a redirect is an answer. `true`: the platform follows them and cannot be kept from it. */
  readonly redirects: boolean;
}

/**
 * Makes one exchange. Resolves on every status; rejects when there was no answer, or with the reason of the signal. An
 * error may carry `sent: false | "unknown"` to say whether the request left.
 */
export interface Adapter {
  (request: AdapterRequest): Promise<AdapterResponse>;
  readonly capabilities?: Partial<AdapterCapabilities>;
  /** Ends connections the adapter made itself. */
  close?(): Promise<void>;
}
