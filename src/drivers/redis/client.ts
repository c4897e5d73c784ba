/**
 * The clients of users, as one connection. All of Sluice's work on Redis is scripts, so one verb is enough: run a
 * script with keys and arguments. Types are structural: no client's types appear here.
 */

import { sha1Hex } from "../../core/digest.ts";
import { OptionError } from "../../core/errors.ts";
import { ioredisBytes, nodeRedisBytes } from "./client-bytes.ts";
import { withReload } from "./reload.ts";
import { repeatsOfIoredis, repeatsOfUpstash } from "./repeats.ts";
import { type RedisSubscriber, bunSubscriber, ioredisSubscriber, nodeRedisSubscriber } from "./subscriber.ts";

/** A script and its digest (SHA-1 in hex, the name `EVALSHA` knows it by). */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** What the driver needs of a client. `fromIoredis` and its kin make one; any object of this shape is taken as it is. */
export interface RedisConnection {
  /** The client's name, for events and messages. */
  readonly client: string;
  /** The client itself. */
  readonly raw?: unknown;
  /** The option that stops the client from sending a command again whose reply was lost; absent where it does not, or where that cannot be seen. */
  readonly repeats?: string;
  /** Keys are spread over nodes: one call holds keys of one hash slot. */
  readonly cluster: boolean;
  /** Runs a script by digest, loading it when the server does not know it. Bulk replies are text. */
  evaluate(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** The same with bytes in both directions, where the client can. */
  evaluateBytes?(script: Script, keys: readonly string[], args: readonly (string | Uint8Array)[]): Promise<unknown>;
  /** Waits until so many replicas have everything this client wrote, for `timeoutMs` at most; says how many have. Absent where calls have no connection of their own. */
  replicas?(count: number, timeoutMs: number): Promise<unknown>;
  /** Listens: on a connection of its own, or (`own: false`) on this client, which then can do nothing else. */
  readonly subscriber?: (own: boolean) => Promise<RedisSubscriber>;
  publish?(channel: string, message: string): Promise<unknown>;
}

/** ioredis (single, Sentinel, Cluster), version 5 or later. */
export interface IoredisLike {
  call(command: string, ...args: string[]): Promise<unknown>;
  callBuffer?(command: string, ...args: never[]): Promise<unknown>;
  duplicate?(...options: never[]): unknown;
  publish?(channel: string, message: string): Promise<unknown>;
  readonly isCluster?: boolean;
}

/** node-redis (client or cluster), version 4 or later. */
export interface NodeRedisLike {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  publish?(channel: string, message: string): Promise<unknown>;
  sendCommand?(words: never): Promise<unknown>;
  /** Version 5 or later. */
  withTypeMapping?(mapping: never): unknown;
  duplicate?(): unknown;
}

/** `@upstash/redis`: Redis over HTTP. */
export interface UpstashLike {
  evalsha(sha: string, keys: string[], args: string[]): Promise<unknown>;
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  publish?(channel: string, message: unknown): Promise<unknown>;
}

/** Bun's built-in client. */
export interface BunRedisLike {
  send(command: string, args: string[]): Promise<unknown>;
  publish?(channel: string, message: string): Promise<unknown>;
  duplicate?(): Promise<unknown>;
}

/** Any client with the four methods that small Redis wrappers have; `eval` as in ioredis. */
export interface MinimalRedisLike {
  get(key: string): Promise<unknown>;
  set(key: string, value: string, ...options: never[]): Promise<unknown>;
  del(...keys: string[]): Promise<unknown>;
  eval(script: string, numberOfKeys: number, ...keysAndArgs: string[]): Promise<unknown>;
}

export type RedisClient = RedisConnection | IoredisLike | NodeRedisLike | UpstashLike | BunRedisLike | MinimalRedisLike;

export function fromIoredis(client: IoredisLike): RedisConnection {
  requireMethods("fromIoredis", client, ["call"]);
  const call = (words: readonly string[]): Promise<unknown> => client.call(words[0] as string, ...words.slice(1));
  const cluster = client.isCluster === true;
  if (cluster) refuseKeyPrefix((client as { readonly options?: object }).options);
  return { ...connection("ioredis", cluster, byWords(call), client, (own) => ioredisSubscriber(client, own)), ...ioredisBytes(client), ...(cluster ? {} : waiting(call)), ...repeatsOfIoredis(client, cluster) };
}

export function fromNodeRedis(client: NodeRedisLike): RedisConnection {
  requireMethods("fromNodeRedis", client, ["evalSha", "eval"]);
  const evaluate: Evaluate = (script, keys, args) =>
    withReload(
      () => client.evalSha(script.sha, { keys: keys as string[], arguments: args as string[] }),
      () => client.eval(script.source, { keys: keys as string[], arguments: args as string[] }),
    );
  // A cluster has `nodeClient`, a client has not.
  const cluster = "nodeClient" in client;
  if (cluster) refuseKeyPrefix((client as { readonly _options?: object })._options);
  // A pool has no `duplicate`, and Sentinel's client has `acquire`: their next call may take another connection.
  const single = !cluster && client.sendCommand !== undefined && client.duplicate !== undefined && !("acquire" in client);
  const one = single ? waiting((words) => client.sendCommand!(words as never)) : {};
  return { ...connection("node-redis", cluster, evaluate, client, (own) => nodeRedisSubscriber(client, own)), ...nodeRedisBytes(client), ...one };
}

export function fromUpstash(client: UpstashLike): RedisConnection {
  requireMethods("fromUpstash", client, ["evalsha", "eval"]);
  const evaluate: Evaluate = (script, keys, args) =>
    withReload(
      () => client.evalsha(script.sha, keys as string[], args as string[]),
      () => client.eval(script.source, keys as string[], args as string[]),
    );
  return { client: "@upstash/redis", raw: client, cluster: false, evaluate, ...repeatsOfUpstash(client), ...(client.publish === undefined ? {} : { publish: (channel: string, message: string) => client.publish!(channel, message) }) };
}

export function fromBunRedis(client: BunRedisLike): RedisConnection {
  requireMethods("fromBunRedis", client, ["send"]);
  const send = (words: readonly string[]): Promise<unknown> => client.send(words[0] as string, words.slice(1));
  return { ...connection("Bun.RedisClient", false, byWords(send), client, (own) => bunSubscriber(client, own)), ...waiting(send) };
}

/** A client with `get`, `set`, `del` and an ioredis-style `eval`. Scripts travel whole with each call. */
export function fromMinimal(client: MinimalRedisLike): RedisConnection {
  requireMethods("client", client, ["get", "set", "del", "eval"]);
  return { client: "client", cluster: false, evaluate: (script, keys, args) => client.eval(script.source, keys.length, ...keys, ...args) };
}

/** Recognises a client by its shape. Throws {@link OptionError} that says what is missing. */
export function recogniseClient(client: unknown): RedisConnection {
  if (typeof client !== "object" || client === null) throw new OptionError("client", client, "a Redis client");
  const has = (name: string): boolean => typeof (client as Record<string, unknown>)[name] === "function";
  if (has("evaluate")) return client as RedisConnection;
  if (has("evalSha") && has("sendCommand")) return fromNodeRedis(client as NodeRedisLike);
  if (has("evalsha") && has("createScript")) return fromUpstash(client as UpstashLike);
  if (has("call") && has("duplicate")) return fromIoredis(client as IoredisLike);
  if (has("send") && has("duplicate")) return fromBunRedis(client as BunRedisLike);
  const missing = ["get", "set", "del", "eval"].filter((name) => !has(name));
  if (missing.length === 0) return fromMinimal(client as MinimalRedisLike);
  throw new OptionError("client", client, `ioredis, node-redis, @upstash/redis, Bun's client, or an object with get, set, del and eval; ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`);
}

/** On a cluster keys are grouped by their slots, which a prefix that the client puts in front by itself moves. */
function refuseKeyPrefix(options: { readonly keyPrefix?: unknown } | undefined): void {
  const prefix = options?.keyPrefix;
  if (prefix === undefined || prefix === null || prefix === "") return;
  throw new OptionError("client.options.keyPrefix", prefix, "left out on a cluster, whose slots are computed without it; give prefix to the adapter or driver in its place");
}

type Evaluate = RedisConnection["evaluate"];

function connection(name: string, cluster: boolean, evaluate: Evaluate, client: { publish?(channel: string, message: string): Promise<unknown>; duplicate?: unknown }, subscriber: (own: boolean) => Promise<RedisSubscriber>): RedisConnection {
  return {
    raw: client,
    client: name,
    cluster,
    evaluate,
    ...(typeof client.duplicate === "function" ? { subscriber } : {}),
    ...(typeof client.publish === "function" ? { publish: cluster ? (channel: string, message: string) => evaluate(PUBLISH, [channel], [message, channel]) : (channel: string, message: string) => client.publish!(channel, message) } : {}),
  };
}

/** Clients of a cluster publish on any node, and messages overtake each other. A script goes to the node of its key; the channel is no key. */
const publishSource = "return redis.call('PUBLISH', ARGV[2], ARGV[1])";
const PUBLISH: Script = { source: publishSource, sha: /* @__PURE__ */ sha1Hex(publishSource) };

/** `EVALSHA` and `EVAL` over a client that takes the words of a command. */
function byWords(send: (words: readonly string[]) => Promise<unknown>): Evaluate {
  return (script, keys, args) =>
    withReload(
      () => send(["EVALSHA", script.sha, String(keys.length), ...keys, ...args]),
      () => send(["EVAL", script.source, String(keys.length), ...keys, ...args]),
    );
}

function waiting(send: (words: readonly string[]) => Promise<unknown>): Pick<RedisConnection, "replicas"> {
  return { replicas: (count, timeoutMs) => send(["WAIT", String(count), String(timeoutMs)]) };
}

function requireMethods(option: string, client: unknown, names: readonly string[]): void {
  const missing = names.filter((name) => typeof (client as Record<string, unknown> | null)?.[name] !== "function");
  if (missing.length > 0) throw new OptionError(option, client, `a client with ${names.join(", ")}; ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`);
}
