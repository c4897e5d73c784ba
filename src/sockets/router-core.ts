/** The working half of a router: registration, and what hubs are served from. Types are the interface's affair. */

import { type EventSink, type Events, createEvents } from "../core/events.ts";
import type { Clock } from "../core/clock.ts";
import { OptionError } from "../core/errors.ts";
import type { PubSub, PubSubAdapter } from "../state/contracts/pub-sub.ts";
import { type AsyncApiDocument, type AsyncApiInfo, asyncApi } from "./async-api.ts";
import { checkBoolean, checkFunction, checkInteger, checkKeys, checkNonNegative, checkOneOf } from "./check.ts";
import { CLOSE } from "./close-codes.ts";
import type { MessageContextBase } from "./context.ts";
import type { SocketEvent } from "./events.ts";
import { HOOKS, type HookLists, type HookName, hookLists } from "./hooks.ts";
import { Hub, type HubSource } from "./hub.ts";
import { type AnyEvent, type AnyMessage, type CompiledMessage, type MessageDescriptor, checkMessage, renamed } from "./message.ts";
import { type ResolvedOptions, type RouterOptions, resolveOptions } from "./options.ts";
import type { PluginSpec } from "./plugin.ts";
import type { AnyHandler, AnyMiddleware, Program, Route } from "./route.ts";
import type { ConnectionInfo, OnRpcOptions, PrefixedMessages, RouteInfo, RouterTopics, UseOptions } from "./router.ts";
import { type ResolvedServer, resolveServer } from "./server-options.ts";
import { type Bridge, bridgeTo } from "./topics/bridge.ts";
import type { HistoryEntry } from "./topics/hub-topics.ts";
import { type TopicOptions, mergeTopics, resolveTopics } from "./topics/policy.ts";
import type { PresenceMember } from "./topics/presence.ts";
import { type PublishResult, publishFailure } from "./topics/publish-result.ts";
import { publish } from "./topics/publish.ts";

const BRAND = Symbol.for("sluice.sockets.router");

interface Used {
  /** Undefined for all messages. */
  readonly type: string | undefined;
  readonly raw: boolean;
  readonly run: AnyMiddleware;
}

/** Middleware of one router, which goes along with its routes wherever they are merged. */
type Scope = Used[];

interface Entry {
  readonly descriptor: CompiledMessage;
  readonly handler: AnyHandler;
  readonly ordered: boolean;
  readonly timeoutMs: number | undefined;
  /** Outermost first, each with the type the route has in it. */
  readonly scopes: readonly { readonly scope: Scope; readonly type: string }[];
}

type Conflict = "error" | "skip" | "replace";

export class RouterCore implements HubSource {
  options: ResolvedOptions;
  readonly hubs: Set<Hub> = new Set();
  /** Which hub a publish from outside of contexts is meant for; set by platforms that serve several in one place. */
  currentHub: (() => Hub | undefined) | undefined;
  readonly #scope: Scope = [];
  readonly #entries = new Map<string, Entry>();
  readonly #hooks: HookLists;
  readonly #plugins = new Map<unknown, string>();
  readonly #members = new Map<string, { readonly read: (ctx: MessageContextBase) => unknown; readonly owner: string }>();
  /** One stream for all hubs. */
  readonly events: Events<SocketEvent> = createEvents<SocketEvent>();
  /** As it was given. */
  pubsub: PubSub | PubSubAdapter | undefined;
  #bridge: Bridge | undefined;
  #program: Program | undefined;
  #ownHub: Hub | undefined;

  constructor(options: RouterOptions<never>) {
    this.options = resolveOptions(options);
    this.#hooks = hookLists(options.hooks as never);
    for (const sink of this.options.sinks) this.events.on(sink);
    if (options.pubsub !== undefined) this.setPubSub(options.pubsub);
    Object.defineProperty(this, BRAND, { value: true });
  }

  // ------------------------------------------------------------------------------------------------------- registration

  on(descriptor: AnyMessage, handler: AnyHandler, options: OnRpcOptions = {}): this {
    return this.#register("event", descriptor, handler, options, []);
  }

  rpc(descriptor: AnyMessage, handler: AnyHandler, options: OnRpcOptions = {}): this {
    return this.#register("rpc", descriptor, handler, options, []);
  }

  #register(kind: "event" | "rpc", given: unknown, handler: AnyHandler, options: OnRpcOptions, chain: Scope): this {
    const descriptor = checkMessage("descriptor", given, kind);
    checkFunction("handler", handler);
    checkKeys("options", options, kind === "rpc" ? ["ordered", "timeoutMs"] : ["ordered"]);
    const timeoutMs = options.timeoutMs === undefined ? descriptor.timeoutMs : checkInteger("options.timeoutMs", options.timeoutMs, 1);
    this.#add({
      descriptor, handler, timeoutMs,
      ordered: checkBoolean("options.ordered", options.ordered ?? true),
      scopes: [{ scope: this.#scope, type: descriptor.type }, ...(chain.length > 0 ? [{ scope: chain, type: descriptor.type }] : [])],
    }, "error");
    return this;
  }

  #add(entry: Entry, onConflict: Conflict): void {
    const { type } = entry.descriptor;
    if (this.#entries.has(type)) {
      if (onConflict === "skip") return;
      if (onConflict === "error") throw new OptionError("descriptor", type, "a type without a handler: this router has one for it");
    }
    this.#entries.set(type, entry);
    this.#program = undefined;
  }

  use(first: AnyMiddleware | AnyMessage, second?: AnyMiddleware | UseOptions, third?: UseOptions): this {
    const global = typeof first === "function";
    const run = (global ? first : second) as AnyMiddleware;
    checkFunction("middleware", run);
    const used = use(run, global ? undefined : checkMessage("descriptor", first).type, (global ? second : third) as UseOptions | undefined);
    const policy = (run as { "~topics"?: TopicOptions })["~topics"];
    if (policy !== undefined) this.mergePolicy(policy);
    this.#scope.push(used);
    this.#program = undefined;
    return this;
  }

  route(given: AnyMessage): object {
    const descriptor = checkMessage("descriptor", given);
    const chain: Scope = [];
    const builder = {
      use: (middleware: AnyMiddleware, options?: UseOptions) => {
        chain.push(use(checkFunction("middleware", middleware), undefined, options));
        return builder;
      },
      on: (handler: AnyHandler, options: OnRpcOptions = {}) => this.#register("event", descriptor, handler, options, chain),
      rpc: (handler: AnyHandler, options: OnRpcOptions = {}) => this.#register("rpc", descriptor, handler, options, chain),
    };
    return builder;
  }

  merge(other: unknown, options: { readonly onConflict?: Conflict } = {}): this {
    return this.mount("", other, options);
  }

  mount(prefix: string, given: unknown, options: { readonly onConflict?: Conflict } = {}): this {
    const other = coreOf(given, "other");
    if (other === this) throw new OptionError("other", "this router", "another router");
    if (typeof prefix !== "string" || prefix.startsWith("$") || prefix.startsWith("__")) throw new OptionError("prefix", prefix, "a text that does not begin with $ or __");
    checkKeys("options", options, ["onConflict"]);
    const onConflict = checkOneOf("options.onConflict", options.onConflict ?? "error", ["error", "skip", "replace"]);
    if (onConflict === "error") for (const type of other.#entries.keys()) if (this.#entries.has(prefix + type)) throw new OptionError("other", prefix + type, "a router without types that this one handles, or onConflict: \"skip\" or \"replace\"");
    for (const entry of other.#entries.values()) {
      const descriptor = prefix === "" ? entry.descriptor : renamed(entry.descriptor, prefix);
      this.#add({ ...entry, descriptor, scopes: [{ scope: this.#scope, type: descriptor.type }, ...entry.scopes] }, onConflict);
    }
    for (const name of HOOKS) this.#hooks[name].push(...other.#hooks[name]);
    for (const [identity, name] of other.#plugins) if (!this.#plugins.has(identity)) this.#plugins.set(identity, name);
    for (const [name, { read, owner }] of other.#members) this.#claim(name, read, owner);
    this.options = { ...this.options, topics: mergeTopics(this.options.topics, other.options.topics) };
    this.#bridge ??= other.#bridge;
    this.pubsub ??= other.pubsub;
    this.#program = undefined;
    return this;
  }

  prefixed(prefix: string): PrefixedMessages {
    const pick = ((descriptor: MessageDescriptor) => renamed(checkMessage("descriptor", descriptor), prefix)) as unknown as PrefixedMessages;
    for (const { descriptor } of this.#entries.values()) Object.defineProperty(pick, descriptor.type, { value: renamed(descriptor, prefix), enumerable: true });
    return pick;
  }

  plugin(plugin: PluginSpec | ((router: never) => void)): this {
    if ((typeof plugin !== "object" && typeof plugin !== "function") || plugin === null) throw new OptionError("plugin", plugin, "a plugin: an object with a name, or a function");
    const named = typeof plugin.name === "string" && plugin.name !== "" && typeof plugin === "object";
    const identity = named ? plugin.name : plugin;
    if (this.#plugins.has(identity)) return this;
    const name = plugin.name === "" ? "a plugin without a name" : plugin.name;
    if (typeof plugin === "function") {
      this.#plugins.set(identity, name);
      plugin(this as never);
    } else {
      checkKeys("plugin", plugin, ["name", "context", "setup"]);
      for (const [member, read] of Object.entries(plugin.context ?? {})) this.#claim(member, checkFunction(`plugin.context.${member}`, read) as never, name);
      this.#plugins.set(identity, name);
      plugin.setup?.(this as never);
    }
    this.#program = undefined;
    return this;
  }

  #claim(member: string, read: (ctx: MessageContextBase) => unknown, owner: string): void {
    const claimed = this.#members.get(member);
    if (claimed !== undefined && (claimed.owner !== owner || claimed.read !== read)) throw new OptionError("plugin", owner, `one whose members are free: ctx.${member} belongs to ${claimed.owner}, and ${owner} claims it, too`);
    if (member in OWN_MEMBERS) throw new OptionError("plugin", owner, `one that leaves ctx.${member} to the router`);
    this.#members.set(member, { read, owner });
  }

  #hook(name: HookName, hook: unknown): this {
    this.#hooks[name].push(checkFunction(name, hook) as never);
    return this;
  }

  onOpen(hook: unknown): this { return this.#hook("onOpen", hook); }
  onClose(hook: unknown): this { return this.#hook("onClose", hook); }
  onError(hook: unknown): this { return this.#hook("onError", hook); }
  onAuth(hook: unknown): this { return this.#hook("onAuth", hook); }
  onPublish(hook: unknown): this { return this.#hook("onPublish", hook); }
  onJoin(hook: unknown): this { return this.#hook("onJoin", hook); }
  onLeave(hook: unknown): this { return this.#hook("onLeave", hook); }
  onLimitExceeded(hook: unknown): this { return this.#hook("onLimitExceeded", hook); }

  observe(sink: EventSink<SocketEvent>): () => void {
    return this.events.on(checkFunction("sink", sink));
  }

  setPubSub(pubsub: PubSub | PubSubAdapter): void {
    this.#bridge = bridgeTo(pubsub);
    this.pubsub = pubsub;
    if (this.options.topics.history !== undefined) this.#checkHistory();
  }

  mergePolicy(policy: TopicOptions): void {
    this.options = { ...this.options, topics: mergeTopics(this.options.topics, resolveTopics(policy)) };
    if (this.options.topics.history !== undefined) this.#checkHistory();
  }

  #checkHistory(): void {
    if (this.#bridge?.shared === true && this.#bridge.history === undefined) throw new OptionError("topics.history", "on", `off with ${this.#bridge.name}: it carries messages between processes but keeps no history`);
  }

  // ------------------------------------------------------------------------------------------------------------- serving

  program(): Program {
    if (this.#program !== undefined) return this.#program;
    const routes = new Map<string, Route>();
    for (const [type, entry] of this.#entries) routes.set(type, routeOf(entry));
    const members = new Map([...this.#members].map(([name, { read }]) => [name, read]));
    const lifecycle = this.#scope.filter(({ type, raw }) => type === undefined && !raw).map(({ run }) => run);
    this.#program = { routes, hooks: this.#hooks, lifecycle, members };
    return this.#program;
  }

  bridge(): Bridge | undefined {
    return this.#bridge;
  }

  /** A hub of this router; with `pubsub` on another end of the router's broker. */
  hub(server: ResolvedServer, clock: Clock = this.options.clock, pubsub?: PubSub | PubSubAdapter): Hub {
    const bridge = pubsub === undefined ? undefined : bridgeTo(pubsub);
    const hub = new Hub(bridge === undefined ? this : { options: this.options, events: this.events, program: () => this.program(), bridge: () => bridge, detach: (gone) => this.detach(gone) }, server, clock);
    this.hubs.add(hub);
    return hub;
  }

  detach(hub: Hub): void {
    this.hubs.delete(hub);
  }

  /** Hooks that a server adds for itself. */
  serverHooks(hooks: { readonly onOpen?: unknown; readonly onClose?: unknown; readonly onError?: unknown }): void {
    for (const name of ["onOpen", "onClose", "onError"] as const) if (hooks[name] !== undefined) this.#hook(name, hooks[name]);
  }

  // ------------------------------------------------------------------------------------------------------------- outside

  publish(topic: string, descriptor: AnyEvent, payload?: unknown, options?: object): Promise<PublishResult> {
    const hubs = this.#reached();
    if (hubs.length === 1) return publish(hubs[0] as Hub, undefined, topic, descriptor, payload, options);
    // One of them tells the broker, and with it the others.
    if (this.#bridge?.shared === true) return publish(hubs[0] as Hub, undefined, topic, descriptor, payload, options);
    return Promise.all(hubs.map((hub) => publish(hub, undefined, topic, descriptor, payload, options))).then((results) => {
      const failed = results.find((result) => !result.ok);
      const matched = results.reduce((sum, result) => sum + result.matched, 0);
      if (failed !== undefined) return { ...failed, matched };
      const [first] = results as (PublishResult & { ok: true })[];
      return first === undefined ? publishFailure("STATE") : { ...first, matched, dropped: (results as (PublishResult & { ok: true })[]).reduce((sum, { dropped }) => sum + dropped, 0) };
    });
  }

  #reached(): Hub[] {
    const current = this.currentHub?.();
    if (current !== undefined) return [current];
    if (this.hubs.size > 0) return [...this.hubs];
    return [(this.#ownHub ??= new Hub(this, resolveServer({ anonymous: true })))];
  }

  get topics(): RouterTopics {
    return {
      list: () => [...new Set(this.#reached().flatMap((hub) => [...hub.topics.index.topics()]))],
      count: (topic) => this.#reached().reduce((sum, hub) => sum + hub.topics.index.count(topic), 0),
      history: async (topic, options = {}): Promise<HistoryEntry[]> => (this.#reached()[0] as Hub).topics.historyOf(topic, options, undefined),
    };
  }

  async presence(topic: string): Promise<PresenceMember[]> {
    return (this.#reached()[0] as Hub).topics.presenceOf(topic, undefined);
  }

  connections(): ConnectionInfo[] {
    return [...this.hubs].flatMap((hub) => [...hub.connections.values()].map((connection) => ({
      clientId: connection.clientId,
      data: connection.data,
      ip: connection.request.ip,
      topics: connection.ownTopics?.list() ?? [],
      pending: connection.ownWork?.pending ?? 0,
      bufferedBytes: connection.outbox.buffered,
      close: (code: number = CLOSE.normal, reason = "") => hub.closeByUser(connection, code, reason),
    })));
  }

  routes(): RouteInfo[] {
    return [...this.#entries.values()].map(({ descriptor }) => ({ type: descriptor.type, kind: descriptor.kind, ...(descriptor.response === undefined ? {} : { response: descriptor.response.type }) }));
  }

  /** Descriptors of the events that are handled. */
  handledEvents(): AnyEvent[] {
    return [...this.#entries.values()].filter(({ descriptor }) => descriptor.kind === "event").map(({ descriptor }) => descriptor as AnyEvent);
  }

  toAsyncAPI(info: AsyncApiInfo): AsyncApiDocument {
    return asyncApi([...this.#entries.values()].map(({ descriptor }) => descriptor), info);
  }

  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    const drainMs = checkNonNegative("drainMs", options.drainMs ?? 10_000);
    await Promise.all([...this.hubs].map((hub) => hub.drain(drainMs)));
    await this.#ownHub?.topics.close();
  }
}

function use(run: AnyMiddleware, type: string | undefined, options: UseOptions = {}): Used {
  checkKeys("options", options, ["stage"]);
  const stage = options.stage ?? (run as { "~stage"?: "raw" | "validated" })["~stage"] ?? "validated";
  return { type, run, raw: checkOneOf("options.stage", stage, ["raw", "validated"]) === "raw" };
}

/** Global middleware first, then the route's own, in the order of registration. */
function routeOf({ descriptor, handler, ordered, timeoutMs, scopes }: Entry): Route {
  const pick = (raw: boolean): AnyMiddleware[] => {
    const global = scopes.flatMap(({ scope }, at) => (at > 0 && isChain(scopes, at) ? [] : scope.filter((used) => used.raw === raw && used.type === undefined)));
    const own = scopes.flatMap(({ scope, type }, at) => scope.filter((used) => used.raw === raw && (used.type === type || (used.type === undefined && at > 0 && isChain(scopes, at)))));
    return [...global, ...own].map(({ run }) => run);
  };
  return { descriptor, kind: descriptor.kind, handler, ordered, timeoutMs, raw: pick(true), middleware: pick(false) };
}

/** The last scope is the chain of `route()` when it is another one of the same type. */
function isChain(scopes: Entry["scopes"], at: number): boolean {
  return at === scopes.length - 1 && scopes[at]?.type === scopes[at - 1]?.type;
}

const OWN_MEMBERS: Record<string, true> = Object.fromEntries(
  ["clientId", "data", "request", "ws", "topics", "assignData", "send", "publish", "close", "payload", "meta", "type", "kind", "receivedAt", "signal", "deadline", "timeRemaining", "onCancel", "error", "reply", "progress", "constructor"].map((name) => [name, true]),
) as Record<string, true>;

/** The working half of a router. Throws for what is none. */
export function coreOf(router: unknown, argument = "router"): RouterCore {
  if (typeof router !== "object" || router === null || (router as Record<symbol, unknown>)[BRAND] !== true) throw new OptionError(argument, router, "a router made by createRouter()");
  return router as RouterCore;
}

/** Whether something is a router. */
export function isRouter(value: unknown): boolean {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}
