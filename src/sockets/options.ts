/** The options of a router: checked by name and value at construction, defaults in one place. */

import { type Clock, systemClock } from "../core/clock.ts";
import { OptionError } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { PubSub, PubSubAdapter } from "../state/contracts/pub-sub.ts";
import { checkBoolean, checkCount, checkFunction, checkInteger, checkKeys, checkOneOf, checkOptionalFunction, checkPositive, checkString } from "./check.ts";
import { checkCloseCode } from "./close-codes.ts";
import { type Codec, checkCodecs, jsonCodec } from "./codec.ts";
import { type Logger, type SocketEvent, consoleLogger, silentLogger } from "./events.ts";
import type { RouterHooks } from "./hooks.ts";
import { defaultRedactedKeys } from "./redact.ts";
import type { ConnectionData } from "./types.ts";
import { type ResolvedTopics, type TopicOptions, resolveTopics } from "./topics/policy.ts";

export type SlowConsumerPolicy = "close" | "drop-oldest" | "drop-newest" | "coalesce";

export interface BackpressureOptions {
  /** Bytes that may wait for one connection, in the runtime and here. @default 1048576 */
  readonly maxBufferedBytes?: number;
  /** What happens to topic frames above it. @default "close" */
  readonly policy?: SlowConsumerPolicy;
  /** Close code of the policy `close`. @default 1013 */
  readonly closeCode?: number;
  /** With `coalesce`: frames of one key replace each other. @default topic and type */
  readonly coalesceKey?: (topic: string, type: string, payload: unknown) => string;
  /** Other policies for topics that match, first match first. */
  readonly topics?: readonly { readonly match: string | RegExp; readonly policy: SlowConsumerPolicy; readonly coalesceKey?: (topic: string, type: string, payload: unknown) => string }[];
}

export interface LimitOptions {
  /** UTF-8 bytes of a received message, after decompression. `Infinity` must be written out. @default 1000000 */
  readonly maxPayloadBytes?: number;
  /** The runtime's own cap; above it the connection closes with 1009. @default twice `maxPayloadBytes` */
  readonly transportPayloadBytes?: number;
  /** What a message over `maxPayloadBytes` gets: an error, a close, or only the hook. @default "send" */
  readonly onExceeded?: "send" | "close" | "custom";
  /** @default 1009 */
  readonly closeCode?: number;
  /** @default "Message too big" */
  readonly closeReason?: string;
  /** Frames received and not finished, per connection. @default 256 */
  readonly maxPending?: number;
  /** Longest time of an event handler, in ms. @default 30000 */
  readonly handlerTimeoutMs?: number;
  /** Longest wait of a close for the running handler, in ms. @default 5000 */
  readonly closeTimeoutMs?: number;
  /** Deepest nesting of `payload` and `meta`. @default 64 */
  readonly maxDepth?: number;
  /** Connections of one server or object. @default the platform's */
  readonly maxConnections?: number;
  /** @default 429 */
  readonly connectionsStatus?: 429 | 503;
  /** @default Infinity */
  readonly maxConnectionsPerIp?: number;
  /** @default Infinity */
  readonly maxConnectionsPerIdentity?: number;
  /** New connections per address; `false` for no limit. @default { capacity: 50, tokensPerSecond: 10 } */
  readonly connectionRate?: false | { readonly capacity: number; readonly tokensPerSecond: number };
  /** Longest time of an upgrade's header, in ms. @default 10000 */
  readonly handshakeTimeoutMs?: number;
  /** Longest header of an upgrade. @default 16384 */
  readonly maxHeaderBytes?: number;
  /** Protocol violations of one connection per minute before 1008. @default 20 */
  readonly maxViolations?: number;
  readonly backpressure?: BackpressureOptions;
}

export interface HeartbeatOptions {
  /** @default 30000 */
  readonly intervalMs?: number;
  /** @default 5000 */
  readonly timeoutMs?: number;
}

export interface RpcLimits {
  /** Longest time of a call, in ms. @default 30000 */
  readonly timeoutMs?: number;
  /** No call lasts longer, whatever client and route say. @default 300000 */
  readonly maxTimeoutMs?: number;
  /** Calls of one connection at once. @default 100 */
  readonly maxInFlight?: number;
  /** How long a finished answer is sent again to a repeated id; 0 for not. @default 0 */
  readonly dedupeWindowMs?: number;
}

export interface IdentityOptions<Data> {
  /** The identity of a connection, or `undefined` for none. */
  readonly key?: (data: Data) => string | undefined;
  /** What a second connection of one identity does. @default "allow" */
  readonly onConflict?: "allow" | "replace" | "refuse";
  /** Longest wait for the replaced one's clean-up, in ms. @default 2000 */
  readonly takeoverTimeoutMs?: number;
}

export interface RouterOptions<Data = ConnectionData> {
  readonly limits?: LimitOptions;
  readonly hooks?: RouterHooks<Data>;
  /** `false` turns it off. @default { intervalMs: 30000, timeoutMs: 5000 } */
  readonly heartbeat?: false | HeartbeatOptions;
  /** Carries messages between processes. @default this process only */
  readonly pubsub?: PubSub | PubSubAdapter;
  readonly topics?: TopicOptions<Data>;
  readonly rpc?: RpcLimits;
  readonly identity?: IdentityOptions<Data>;
  /** The first one a client offers is taken. @default [jsonCodec] */
  readonly codecs?: readonly Codec[];
  /** `false` skips validation of what the server sends. @default true */
  readonly validateOutgoing?: boolean;
  readonly errors?: {
    /** Parts of key names whose values are replaced in details. @default defaultRedactedKeys */
    readonly redact?: readonly string[];
    /** Whether a client is told which fields were wrong. @default true */
    readonly exposeValidation?: boolean;
  };
  readonly clock?: Clock;
  readonly random?: Random;
  /** `false` for silence. @default the console */
  readonly logger?: Logger | false;
  readonly sinks?: readonly EventSink<SocketEvent>[];
}

export type ResolvedLimits = Required<Omit<LimitOptions, "backpressure" | "maxConnections">> & {
  readonly maxConnections: number | undefined;
  readonly backpressure: Required<Omit<BackpressureOptions, "coalesceKey">> & Pick<BackpressureOptions, "coalesceKey">;
};

export interface ResolvedOptions {
  readonly limits: ResolvedLimits;
  readonly heartbeat: Required<HeartbeatOptions> | undefined;
  readonly topics: ResolvedTopics;
  readonly rpc: Required<RpcLimits>;
  readonly identity: { readonly key: ((data: never) => string | undefined) | undefined; readonly onConflict: "allow" | "replace" | "refuse"; readonly takeoverTimeoutMs: number };
  readonly codecs: readonly Codec[];
  readonly validateOutgoing: boolean;
  readonly redact: readonly string[];
  readonly exposeValidation: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly sinks: readonly EventSink<SocketEvent>[];
}

const OPTIONS = ["limits", "hooks", "heartbeat", "pubsub", "topics", "rpc", "identity", "codecs", "validateOutgoing", "errors", "clock", "random", "logger", "sinks"];
const LIMITS = [
  "maxPayloadBytes", "transportPayloadBytes", "onExceeded", "closeCode", "closeReason", "maxPending", "handlerTimeoutMs", "closeTimeoutMs", "maxDepth", "maxConnections",
  "connectionsStatus", "maxConnectionsPerIp", "maxConnectionsPerIdentity", "connectionRate", "handshakeTimeoutMs", "maxHeaderBytes", "maxViolations", "backpressure",
];
const POLICIES: readonly SlowConsumerPolicy[] = ["close", "drop-oldest", "drop-newest", "coalesce"];

/** Checks everything. Throws `OptionError` with the option's path and value. */
export function resolveOptions<Data>(options: RouterOptions<Data>): ResolvedOptions {
  checkKeys("", options, OPTIONS);
  const { errors = {}, identity = {} } = options;
  checkKeys("errors", errors, ["redact", "exposeValidation"]);
  checkKeys("identity", identity, ["key", "onConflict", "takeoverTimeoutMs"]);
  const redact = errors.redact ?? defaultRedactedKeys;
  if (!Array.isArray(redact) || redact.some((key) => typeof key !== "string" || key === "")) throw new OptionError("errors.redact", redact, "a list of parts of key names");
  const sinks = options.sinks ?? [];
  if (!Array.isArray(sinks)) throw new OptionError("sinks", sinks, "a list of functions");
  sinks.forEach((sink, i) => checkFunction(`sinks[${i}]`, sink));
  return {
    limits: resolveLimits(options.limits ?? {}),
    heartbeat: resolveHeartbeat(options.heartbeat ?? {}),
    topics: resolveTopics(options.topics ?? {}),
    rpc: resolveRpc(options.rpc ?? {}),
    identity: {
      key: checkOptionalFunction("identity.key", identity.key) as ((data: never) => string | undefined) | undefined,
      onConflict: checkOneOf("identity.onConflict", identity.onConflict ?? "allow", ["allow", "replace", "refuse"]),
      takeoverTimeoutMs: checkPositive("identity.takeoverTimeoutMs", identity.takeoverTimeoutMs ?? 2000),
    },
    codecs: checkCodecs(options.codecs ?? [jsonCodec]),
    validateOutgoing: checkBoolean("validateOutgoing", options.validateOutgoing ?? true),
    redact: redact.map((key) => key.toLowerCase().replace(/[^a-z]/g, "")),
    exposeValidation: checkBoolean("errors.exposeValidation", errors.exposeValidation ?? true),
    clock: checkPort("clock", options.clock ?? systemClock, ["now", "monotonic", "setTimeout", "clearTimeout"]),
    random: checkPort("random", options.random ?? systemRandom, ["next", "uuid"]),
    logger: options.logger === false ? silentLogger : checkPort("logger", options.logger ?? consoleLogger, ["error", "warn", "info"]),
    sinks,
  };
}

/** What a router's `limits` leave open falls back to the platform. */
export function resolveLimits(limits: LimitOptions): ResolvedLimits {
  checkKeys("limits", limits, LIMITS);
  const maxPayloadBytes = checkCount("limits.maxPayloadBytes", limits.maxPayloadBytes ?? 1_000_000, 1);
  const rate = limits.connectionRate ?? { capacity: 50, tokensPerSecond: 10 };
  if (rate !== false) {
    checkKeys("limits.connectionRate", rate, ["capacity", "tokensPerSecond"]);
    checkInteger("limits.connectionRate.capacity", rate.capacity, 1);
    checkPositive("limits.connectionRate.tokensPerSecond", rate.tokensPerSecond);
  }
  const status = limits.connectionsStatus ?? 429;
  if (status !== 429 && status !== 503) throw new OptionError("limits.connectionsStatus", status, "429 or 503");
  return {
    maxPayloadBytes,
    transportPayloadBytes: checkCount("limits.transportPayloadBytes", limits.transportPayloadBytes ?? 2 * maxPayloadBytes, 1),
    onExceeded: checkOneOf("limits.onExceeded", limits.onExceeded ?? "send", ["send", "close", "custom"]),
    closeCode: checkCloseCode("limits.closeCode", limits.closeCode ?? 1009),
    closeReason: checkString("limits.closeReason", limits.closeReason ?? "Message too big"),
    maxPending: checkCount("limits.maxPending", limits.maxPending ?? 256, 1),
    handlerTimeoutMs: checkTime("limits.handlerTimeoutMs", limits.handlerTimeoutMs ?? 30_000),
    closeTimeoutMs: checkTime("limits.closeTimeoutMs", limits.closeTimeoutMs ?? 5000),
    maxDepth: checkInteger("limits.maxDepth", limits.maxDepth ?? 64, 1, 1000),
    maxConnections: limits.maxConnections === undefined ? undefined : checkCount("limits.maxConnections", limits.maxConnections, 1),
    connectionsStatus: status,
    maxConnectionsPerIp: checkCount("limits.maxConnectionsPerIp", limits.maxConnectionsPerIp ?? Infinity, 1),
    maxConnectionsPerIdentity: checkCount("limits.maxConnectionsPerIdentity", limits.maxConnectionsPerIdentity ?? Infinity, 1),
    connectionRate: rate,
    handshakeTimeoutMs: checkPositive("limits.handshakeTimeoutMs", limits.handshakeTimeoutMs ?? 10_000),
    maxHeaderBytes: checkInteger("limits.maxHeaderBytes", limits.maxHeaderBytes ?? 16_384, 1024),
    maxViolations: checkCount("limits.maxViolations", limits.maxViolations ?? 20, 1),
    backpressure: resolveBackpressure(limits.backpressure ?? {}),
  };
}

function resolveBackpressure(options: BackpressureOptions): ResolvedLimits["backpressure"] {
  const path = "limits.backpressure";
  checkKeys(path, options, ["maxBufferedBytes", "policy", "closeCode", "coalesceKey", "topics"]);
  const topics = options.topics ?? [];
  if (!Array.isArray(topics)) throw new OptionError(`${path}.topics`, topics, "a list");
  topics.forEach((rule, i) => {
    checkKeys(`${path}.topics[${i}]`, rule, ["match", "policy", "coalesceKey"]);
    if (typeof rule.match !== "string" && !(rule.match instanceof RegExp)) throw new OptionError(`${path}.topics[${i}].match`, rule.match, "a topic, a pattern with a final *, or a RegExp");
    checkOneOf(`${path}.topics[${i}].policy`, rule.policy, POLICIES);
    checkOptionalFunction(`${path}.topics[${i}].coalesceKey`, rule.coalesceKey);
  });
  return {
    maxBufferedBytes: checkCount(`${path}.maxBufferedBytes`, options.maxBufferedBytes ?? 1_048_576, 1),
    policy: checkOneOf(`${path}.policy`, options.policy ?? "close", POLICIES),
    closeCode: checkCloseCode(`${path}.closeCode`, options.closeCode ?? 1013),
    coalesceKey: checkOptionalFunction(`${path}.coalesceKey`, options.coalesceKey),
    topics,
  };
}

function resolveHeartbeat(heartbeat: false | HeartbeatOptions): Required<HeartbeatOptions> | undefined {
  if (heartbeat === false) return undefined;
  checkKeys("heartbeat", heartbeat, ["intervalMs", "timeoutMs"]);
  return { intervalMs: checkPositive("heartbeat.intervalMs", heartbeat.intervalMs ?? 30_000), timeoutMs: checkPositive("heartbeat.timeoutMs", heartbeat.timeoutMs ?? 5000) };
}

function resolveRpc(rpc: RpcLimits): Required<RpcLimits> {
  checkKeys("rpc", rpc, ["timeoutMs", "maxTimeoutMs", "maxInFlight", "dedupeWindowMs"]);
  return {
    timeoutMs: checkTime("rpc.timeoutMs", rpc.timeoutMs ?? 30_000),
    maxTimeoutMs: checkTime("rpc.maxTimeoutMs", rpc.maxTimeoutMs ?? 300_000),
    maxInFlight: checkCount("rpc.maxInFlight", rpc.maxInFlight ?? 100, 1),
    dedupeWindowMs: checkInteger("rpc.dedupeWindowMs", rpc.dedupeWindowMs ?? 0, 0),
  };
}

function checkTime(option: string, value: unknown): number {
  return value === Infinity ? Infinity : checkPositive(option, value);
}

function checkPort<T extends object>(option: string, value: T, methods: readonly string[]): T {
  for (const method of methods) {
    if (typeof (value as Record<string, unknown> | null)?.[method] !== "function") throw new OptionError(option, value, `an object with ${methods.join(", ")}`);
  }
  return value;
}
