/** Options of serving that are the same on every runtime. */

import { OptionError } from "../core/errors.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { TopicHistory } from "../state/pubsub/topic-log.ts";
import { checkBoolean, checkKeys, checkOptionalFunction, checkPositive, checkString } from "./check.ts";
import type { BaseContext, CloseContext, ConnectionData, ErrorContext, SocketRequest } from "./types.ts";

/** What `authenticate` is told beside the request. */
export interface AuthenticateInfo {
  /** The id the connection will have. */
  readonly clientId: string;
  readonly ip: string | undefined;
  /** From `Authorization: Bearer`, the subprotocol `bearer.<token>` or the query parameter `access_token`, in this order. */
  readonly token: string | undefined;
  /** Aborts when `authTimeoutMs` has passed. */
  readonly signal: AbortSignal;
}

export interface OriginOptions {
  /** Origins beside the server's own. */
  readonly allow?: readonly (string | RegExp)[];
  /** Refuses requests without `Origin`, which browsers always send. @default false */
  readonly required?: boolean;
}

/** Hops or a test of addresses whose forwarding headers count. */
export type TrustProxy = boolean | number | ((address: string) => boolean);

export interface ServerOptions<Data = ConnectionData> {
  /** Any object accepts and becomes the connection's `data`; everything else, and a throw, refuses. */
  readonly authenticate?: (request: Request, info: AuthenticateInfo) => MaybePromise<Partial<Data> | undefined | null | false | void>;
  /** Serves everybody, without `authenticate`. One of the two is needed. @default false */
  readonly anonymous?: boolean;
  /** Answers a new token on a live connection: an object is merged into `data`, everything else closes with 4401. */
  readonly reauthenticate?: (token: string, ctx: BaseContext<Data>) => MaybePromise<Partial<Data> | undefined | null | false | void>;
  /** Longest time for `authenticate`, in ms. @default 10000 */
  readonly authTimeoutMs?: number;
  /** The path that is served. @default any */
  readonly path?: string;
  /** Origins of browsers that may connect, beside the server's own. */
  readonly origins?: readonly (string | RegExp)[] | OriginOptions;
  /** Believe `X-Forwarded-For` and `X-Forwarded-Proto`: from so many hops, or from addresses that pass the test. @default false */
  readonly trustProxy?: TrustProxy;
  /** Subprotocols of the application that are echoed when a client offers them. @default [] */
  readonly protocols?: readonly string[];
  /** The response header with the client's id; `false` for none. @default "x-client-id" */
  readonly clientIdHeader?: string | false;
  /** What a refused client is answered. @default 401 */
  readonly authRejection?: { readonly status?: 401 | 403; readonly title?: string };
  readonly onUpgrade?: (request: SocketRequest) => MaybePromise<unknown>;
  readonly onOpen?: (ctx: BaseContext<Data>) => MaybePromise<unknown>;
  readonly onClose?: (ctx: CloseContext<Data>) => MaybePromise<unknown>;
  readonly onError?: (error: unknown, ctx: ErrorContext<Data>) => MaybePromise<unknown>;
}

export interface ResolvedServer {
  readonly authenticate: ((request: Request, info: AuthenticateInfo) => MaybePromise<unknown>) | undefined;
  readonly reauthenticate: ((token: string, ctx: never) => MaybePromise<unknown>) | undefined;
  readonly authTimeoutMs: number;
  readonly path: string | undefined;
  readonly origins: { readonly allow: readonly (string | RegExp)[]; readonly required: boolean };
  readonly trustProxy: TrustProxy;
  readonly protocols: readonly string[];
  readonly clientIdHeader: string | undefined;
  readonly authRejection: { readonly status: 401 | 403; readonly title: string };
  readonly onUpgrade: ((request: SocketRequest) => MaybePromise<unknown>) | undefined;
  /** Connections the platform takes. */
  readonly platformConnections: number;
  /** `none`: the platform sweeps by itself, since a timer would keep it awake. */
  readonly timers: "clock" | "none";
  /** What the platform keeps of topics, where it outlives the process. */
  readonly history?: TopicHistory | undefined;
}

export const SERVER_OPTIONS: readonly string[] = [
  "authenticate", "anonymous", "reauthenticate", "authTimeoutMs", "path", "origins", "trustProxy", "protocols", "clientIdHeader", "authRejection", "onUpgrade", "onOpen", "onClose", "onError",
];

/** Checks what is common; `extra` are the names a platform adds. */
export function resolveServer<Data>(options: ServerOptions<Data>, extra: readonly string[] = [], platform: Partial<Pick<ResolvedServer, "platformConnections" | "timers" | "history">> = {}): ResolvedServer {
  checkKeys("", options, [...SERVER_OPTIONS, ...extra]);
  const { authenticate, anonymous = false, origins = [], trustProxy = false, protocols = [], authRejection = {}, path } = options;
  checkOptionalFunction("authenticate", authenticate);
  checkBoolean("anonymous", anonymous);
  if (authenticate === undefined && !anonymous) throw new OptionError("authenticate", authenticate, "a function; or say anonymous: true to serve everybody");
  if (authenticate !== undefined && anonymous) throw new OptionError("anonymous", anonymous, "absent where there is authenticate");
  checkKeys("authRejection", authRejection, ["status", "title"]);
  if (path !== undefined && (typeof path !== "string" || !path.startsWith("/"))) throw new OptionError("path", path, 'a path that begins with "/"');
  if (!Array.isArray(protocols) || protocols.some((name) => typeof name !== "string" || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name))) throw new OptionError("protocols", protocols, "a list of subprotocol names");
  if (typeof trustProxy !== "boolean" && typeof trustProxy !== "function" && !(Number.isSafeInteger(trustProxy) && trustProxy >= 0)) throw new OptionError("trustProxy", trustProxy, "true, false, a number of hops, or a test of an address");
  const { clientIdHeader = "x-client-id" } = options;
  if (clientIdHeader !== false && (typeof clientIdHeader !== "string" || !/^[a-z0-9-]+$/i.test(clientIdHeader))) throw new OptionError("clientIdHeader", clientIdHeader, "a header name, or false");
  const status = authRejection.status ?? 401;
  if (status !== 401 && status !== 403) throw new OptionError("authRejection.status", status, "401 or 403");
  for (const name of ["onUpgrade", "onOpen", "onClose", "onError"] as const) checkOptionalFunction(name, options[name]);
  return {
    authenticate: authenticate as ResolvedServer["authenticate"],
    reauthenticate: checkOptionalFunction("reauthenticate", options.reauthenticate) as ResolvedServer["reauthenticate"],
    authTimeoutMs: checkPositive("authTimeoutMs", options.authTimeoutMs ?? 10_000),
    path,
    origins: resolveOrigins(origins),
    trustProxy,
    protocols,
    clientIdHeader: clientIdHeader === false ? undefined : clientIdHeader.toLowerCase(),
    authRejection: { status, title: checkString("authRejection.title", authRejection.title ?? "not authenticated") },
    onUpgrade: options.onUpgrade,
    platformConnections: platform.platformConnections ?? Infinity,
    timers: platform.timers ?? "clock",
    history: platform.history,
  };
}

function resolveOrigins(origins: readonly (string | RegExp)[] | OriginOptions): ResolvedServer["origins"] {
  const { allow = [], required = false } = Array.isArray(origins) ? { allow: origins as readonly (string | RegExp)[] } : (origins as OriginOptions);
  if (!Array.isArray(origins)) checkKeys("origins", origins, ["allow", "required"]);
  if (!Array.isArray(allow)) throw new OptionError("origins", allow, "a list of origins and expressions");
  for (const [i, origin] of (allow as readonly (string | RegExp)[]).entries()) {
    if (origin instanceof RegExp || origin === "*") continue;
    if (typeof origin !== "string" || !isOrigin(origin)) throw new OptionError(`origins[${i}]`, origin, 'an origin such as "https://example.com", a RegExp, or "*"');
  }
  return { allow: (allow as readonly (string | RegExp)[]).map((origin) => (typeof origin === "string" ? origin.replace(/\/$/, "").toLowerCase() : new RegExp(origin.source, origin.flags.replace(/[gy]/g, "")))), required: checkBoolean("origins.required", required) };
}

function isOrigin(text: string): boolean {
  try {
    return new URL(text).origin === text.replace(/\/$/, "").toLowerCase();
  } catch {
    return false;
  }
}
