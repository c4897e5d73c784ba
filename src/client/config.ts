/** What a stitch and a seam are declared with. */

import type { Adapter } from "../core/adapter.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import type { AuthStrategy } from "./auth/strategy.ts";
import type { StitchError } from "./errors.ts";
import type { TraceSink } from "./events.ts";
import type { ResponseFields } from "./fields.ts";
import type { Paginator } from "./paginate.ts";
import type { RedactOptions } from "./redact.ts";
import type { CacheOptions, CircuitOptions, FailModes, HedgeOptions, IdempotencyOptions, RetryOptions, ThrottleOptions, TimeoutOptions } from "./options.ts";
import type { Validator } from "./schema.ts";
import type { Encryption } from "./auth/vault.ts";
import type { ArrayFormat } from "./walk.ts";

export type StitchKind = "http" | "graphql" | "sse" | "stream";
export type BodyKind = "json" | "form" | "multipart" | "text" | "bytes" | "auto";
export type ResponseKind = "auto" | "json" | "text" | "bytes" | "blob" | "raw";

/** A call's input as the pipeline carries it. */
export interface CallInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>> | Headers | readonly (readonly [string, string])[];
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly direction: "upload" | "download"; readonly loadedBytes: number; readonly totalBytes?: number }) => void;
  readonly idempotencyKey?: string;
  readonly cost?: number;
  readonly resume?: unknown;
}

/** A request about to leave; hooks and auth strategies may change `url` (same origin) and `headers`. */
export interface HookRequest {
  url: string;
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly attempt: number;
}

export interface HookResponse {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}

/** May be asynchronous; the call's deadline bounds them, and what they throw fails the call. */
export interface Hooks {
  readonly onRequest?: (request: HookRequest) => unknown;
  readonly onResponse?: (response: HookResponse, request: HookRequest) => unknown;
  /** Told before a wait for another try. */
  readonly onRetry?: (info: { readonly attempt: number; readonly delayMs: number; readonly status?: number; readonly error?: unknown }) => unknown;
  /** Told of the final failure; it cannot change it. */
  readonly onError?: (error: StitchError) => unknown;
}

export interface SseOptions {
  /** Connect again when the body broke after an id was seen. @default true */
  readonly reconnect?: boolean;
  /** Connections in a row that may fail before an event arrives. @default 5 */
  readonly attempts?: number;
  /** Wait before connecting again, ms; the server's `retry:` wins. @default 1000 */
  readonly delayMs?: number;
  /** Sent with the first request. */
  readonly lastEventId?: string;
  /** `auto` parses data that is JSON and leaves the rest text. @default "auto" */
  readonly parse?: "auto" | "json" | "text";
}

export interface StreamOptions {
  /** @default "ndjson" */
  readonly decode?: "ndjson" | "lines" | "bytes" | "json";
  /** `bytes` only: continue by `Range` when the body broke and the server gave a strong ETag. @default true */
  readonly resume?: boolean;
}

/** The parts of a configuration that a seam shares with its members. */
export interface SharedConfig {
  readonly name?: string;
  /** @default "http" */
  readonly kind?: StitchKind;
  readonly baseUrl?: string;
  /** Defaults under the call's; names are compared without case, `undefined` removes. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly query?: Readonly<Record<string, unknown>>;
  /** How the body is encoded. @default "auto" */
  readonly body?: BodyKind;
  /** How the answer is read. @default "auto" */
  readonly response?: ResponseKind;
  /** Lists in queries and forms. @default "repeat" */
  readonly arrayFormat?: ArrayFormat;
  readonly operationName?: string;
  readonly partial?: boolean;
  readonly persisted?: boolean;
  readonly useGet?: boolean;
  readonly sse?: SseOptions;
  readonly stream?: StreamOptions;
  readonly auth?: AuthStrategy;
  readonly throttle?: string | ThrottleOptions | false;
  readonly retry?: number | RetryOptions | false;
  /** A number is `totalMs`; `false` is no deadline at all. */
  readonly timeout?: number | TimeoutOptions | false;
  readonly circuit?: CircuitOptions | true | false;
  readonly hedge?: HedgeOptions | false;
  readonly idempotency?: true | IdempotencyOptions | false;
  readonly cache?: number | CacheOptions | false;
  /** Statuses that are no failure. @default 200 to 299 */
  readonly acceptStatus?: number | readonly number[] | ((status: number) => boolean);
  /** Dot path into the answer: present and falsy fails the call. */
  readonly flag?: string;
  /** Neither cached nor shared, and no body or input in any event. @default false */
  readonly sensitive?: boolean;
  /** Longest answer after decoding; of a stream, longest frame. @default 10485760, streams 1048576 */
  readonly maxResponseBytes?: number;
  readonly redirect?: { readonly max?: number; readonly crossOrigin?: "strip" | "refuse" };
  readonly trace?: TraceSink | readonly TraceSink[] | false;
  /** Where `traceparent` is sent. @default "same-seam" */
  readonly propagate?: false | "same-seam" | ((url: string) => boolean);
  readonly hooks?: Hooks;
  readonly extends?: readonly Partial<StitchConfig>[];
  readonly adapter?: Adapter;
  /** Makes throttle, circuit, cache, tokens and sessions the fleet's. @default private, in this process */
  readonly store?: StitchStore;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly redact?: RedactOptions;
}

export interface StitchConfig extends SharedConfig {
  /** @default "GET", for GraphQL "POST" */
  readonly method?: string;
  /** An absolute URL template (RFC 6570), or a function that gives one and then needs a `name`. Excludes `baseUrl` and `path`. */
  readonly url?: string | (() => string);
  readonly path?: string;
  readonly document?: string;
  readonly input?: { readonly [Slot in "params" | "query" | "body" | "headers" | "variables"]?: Validator };
  readonly output?: Validator;
  readonly transform?: (body: never, response: { readonly status: number; readonly headers: ResponseFields }) => unknown;
  /** Dot path of what the caller gets. */
  readonly pick?: string;
  readonly paginate?: Paginator;
}

export interface SeamConfig extends SharedConfig {
  /** Where tokens and sessions are kept. @default `store` */
  readonly secretStore?: StitchStore;
  readonly encryption?: Encryption;
  /** What each feature does while the store fails. */
  readonly failMode?: FailModes;
  /** Deadline of one call to the store, ms. @default 1000 */
  readonly storeTimeoutMs?: number;
  /** Hosts calls may go to, redirects and links included; `*.example.com` is every host below. @default any */
  readonly allowHosts?: readonly string[];
  /** Refuse addresses that are not public; on Node also what a name resolves to. @default false */
  readonly denyPrivate?: boolean;
}
