/** Which topics there may be, who may use them, and what is kept of them. */

import { OptionError } from "../../core/errors.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { checkBoolean, checkCount, checkInteger, checkKeys, checkOptionalFunction, checkPositive } from "../check.ts";
import { isMessage, type AnyEvent } from "../message.ts";
import type { SocketRequest } from "../types.ts";

export type TopicAction = "subscribe" | "unsubscribe" | "publish" | "presence" | "history";

/** Who asks. */
export interface TopicActor<Data> {
  /** `"server"` for `router.publish`. */
  readonly actor: "client" | "server";
  readonly clientId: string | undefined;
  readonly data: Data;
  readonly request: SocketRequest | undefined;
}

/** Topics by exact name, by a final `*`, or by expression. */
export type TopicMatch = string | RegExp | ((topic: string) => boolean);

export interface HistoryOptions {
  /** @default every topic */
  readonly match?: TopicMatch;
  /** Messages kept per topic. @default 100 */
  readonly size?: number;
  /** How long a message is kept, in ms. @default 300000 */
  readonly ttlMs?: number;
  /** Bytes kept per topic. @default 1048576 */
  readonly maxBytes?: number;
}

export interface PresenceOptions<Data> {
  /** @default every topic */
  readonly match?: TopicMatch;
  /** When somebody of a dead process has left, in ms. @default 30000 */
  readonly ttlMs?: number;
  /** @default 10000 */
  readonly heartbeatMs?: number;
  /** Who a connection is. @default its `clientId` */
  readonly identity?: (actor: TopicActor<Data>) => string;
  /** Tells the subscribers who joined and left: payload `{topic, joined: [], left: []}` with `{id, data}` members. */
  readonly announce?: AnyEvent;
}

export interface TopicOptions<Data = unknown> {
  /** What a name may look like. @default /^[a-z0-9:_./-]+$/i */
  readonly pattern?: RegExp;
  /** UTF-8 bytes. @default 128 */
  readonly maxTopicLength?: number;
  /** @default 1000 */
  readonly maxTopicsPerConnection?: number;
  /** Topics with a subscriber, per server or object. @default 1000000 */
  readonly maxTopics?: number;
  /** Gives the name that is meant; called before everything else. */
  readonly normalize?: (topic: string, actor: TopicActor<Data>) => string;
  /** A reason, or a throw, refuses the name. */
  readonly validate?: (topic: string) => string | undefined | void;
  /** Only `true` allows. @default everything is allowed */
  readonly authorize?: (action: TopicAction, topic: string, actor: TopicActor<Data>) => MaybePromise<boolean>;
  /** `*` for one segment, a final `**` for one or more. @default false */
  readonly wildcards?: boolean;
  readonly history?: HistoryOptions;
  readonly presence?: PresenceOptions<Data>;
  /** Whether publishers do not get their own messages. @default false */
  readonly excludeSelfDefault?: boolean;
}

export interface ResolvedTopics {
  readonly pattern: RegExp;
  readonly maxTopicLength: number;
  readonly maxTopicsPerConnection: number;
  readonly maxTopics: number;
  readonly normalize: ((topic: string, actor: TopicActor<never>) => string) | undefined;
  readonly validate: ((topic: string) => string | undefined | void) | undefined;
  readonly authorize: ((action: TopicAction, topic: string, actor: TopicActor<never>) => MaybePromise<boolean>) | undefined;
  readonly wildcards: boolean;
  readonly history: (Required<Omit<HistoryOptions, "match">> & { readonly matches: (topic: string) => boolean }) | undefined;
  readonly presence: { readonly matches: (topic: string) => boolean; readonly ttlMs: number; readonly heartbeatMs: number; readonly identity: ((actor: TopicActor<never>) => string) | undefined; readonly announce: AnyEvent | undefined } | undefined;
  readonly excludeSelfDefault: boolean;
  /** Names of the options that were given: a merge must not change them silently. */
  readonly given: ReadonlySet<string>;
}

const NAMES = ["pattern", "maxTopicLength", "maxTopicsPerConnection", "maxTopics", "normalize", "validate", "authorize", "wildcards", "history", "presence", "excludeSelfDefault"];

export function resolveTopics<Data>(options: TopicOptions<Data>): ResolvedTopics {
  checkKeys("topics", options, NAMES);
  const pattern = options.pattern ?? /^[a-z0-9:_./-]+$/i;
  if (!(pattern instanceof RegExp)) throw new OptionError("topics.pattern", pattern, "a RegExp");
  const { history, presence } = options;
  if (history !== undefined) checkKeys("topics.history", history, ["match", "size", "ttlMs", "maxBytes"]);
  if (presence !== undefined) {
    checkKeys("topics.presence", presence, ["match", "ttlMs", "heartbeatMs", "identity", "announce"]);
    if (presence.announce !== undefined && !isMessage(presence.announce)) throw new OptionError("topics.presence.announce", presence.announce, "a descriptor made by message()");
  }
  return {
    // A sticky or global expression remembers where it was: a copy without does not.
    pattern: new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")),
    maxTopicLength: checkInteger("topics.maxTopicLength", options.maxTopicLength ?? 128, 1),
    maxTopicsPerConnection: checkCount("topics.maxTopicsPerConnection", options.maxTopicsPerConnection ?? 1000, 1),
    maxTopics: checkCount("topics.maxTopics", options.maxTopics ?? 1_000_000, 1),
    normalize: checkOptionalFunction("topics.normalize", options.normalize) as ResolvedTopics["normalize"],
    validate: checkOptionalFunction("topics.validate", options.validate),
    authorize: checkOptionalFunction("topics.authorize", options.authorize) as ResolvedTopics["authorize"],
    wildcards: checkBoolean("topics.wildcards", options.wildcards ?? false),
    history: history === undefined ? undefined : {
      matches: matcher("topics.history.match", history.match),
      size: checkInteger("topics.history.size", history.size ?? 100, 1),
      ttlMs: checkPositive("topics.history.ttlMs", history.ttlMs ?? 300_000),
      maxBytes: checkInteger("topics.history.maxBytes", history.maxBytes ?? 1_048_576, 1),
    },
    presence: presence === undefined ? undefined : {
      matches: matcher("topics.presence.match", presence.match),
      ttlMs: checkPositive("topics.presence.ttlMs", presence.ttlMs ?? 30_000),
      heartbeatMs: checkPositive("topics.presence.heartbeatMs", presence.heartbeatMs ?? 10_000),
      identity: checkOptionalFunction("topics.presence.identity", presence.identity) as ((actor: TopicActor<never>) => string) | undefined,
      announce: presence.announce,
    },
    excludeSelfDefault: checkBoolean("topics.excludeSelfDefault", options.excludeSelfDefault ?? false),
    given: new Set(Object.keys(options).filter((name) => (options as Record<string, unknown>)[name] !== undefined)),
  };
}

/** Two policies in one: what both set is a conflict. */
export function mergeTopics(one: ResolvedTopics, other: ResolvedTopics): ResolvedTopics {
  const merged: Record<string, unknown> = { ...one, given: new Set([...one.given, ...other.given]) };
  for (const name of other.given) {
    const value = (other as unknown as Record<string, unknown>)[name];
    if (one.given.has(name) && (one as unknown as Record<string, unknown>)[name] !== value) throw new OptionError(`topics.${name}`, value, "set in one place only; two policies of this router set it");
    merged[name] = value;
  }
  return merged as unknown as ResolvedTopics;
}

/** A test of topics. */
export function matcher(option: string, match: TopicMatch | undefined): (topic: string) => boolean {
  if (match === undefined) return () => true;
  if (typeof match === "function") return match;
  if (match instanceof RegExp) {
    const expression = new RegExp(match.source, match.flags.replace(/[gy]/g, ""));
    return (topic) => expression.test(topic);
  }
  if (typeof match !== "string" || match === "") throw new OptionError(option, match, "a topic, a text with a final *, a RegExp, or a function");
  if (!match.endsWith("*")) return (topic) => topic === match;
  const prefix = match.slice(0, -1);
  return (topic) => topic.startsWith(prefix);
}
