/** A seam: what several stitches share, declared once. */

import { checkPositive, checkString } from "../core/check.ts";
import type { CallContext } from "./call.ts";
import type { SeamConfig, StitchConfig } from "./config.ts";
import { StitchError, checked, configError } from "./errors.ts";
import type { InOf, OutOf } from "./infer.ts";
import { throttleRules } from "./limit-options.ts";
import { mergeConfig, withFragments, type AnyConfig } from "./merge.ts";
import { checkKeys } from "./option-table.ts";
import { SEAM_KEYS, STITCH_KEYS, compilePlan } from "./plan.ts";
import { StitchState } from "./run.ts";
import { Runtime } from "./runtime.ts";
import { checkCapability, checkStoreShape, describeStore, isShared } from "./store-verbs.ts";
import { makeStitch, parseConfig, type Stitch } from "./stitch.ts";
import { compileTemplate } from "./template.ts";
import { matchesHost } from "./match-host.ts";

/** `url` of a member's own, or `path` below the seam's `baseUrl`. */
type MemberOf<B, C> = C extends string ? C : C extends { readonly url: unknown } ? C : B extends { readonly baseUrl: infer U extends string } ? C & { readonly baseUrl: U } : C;

/** Stitches bound to one principal: their cache, tokens and sessions are that principal's own. */
export interface PrincipalView<B = SeamConfig> {
  stitch<const C extends string | StitchConfig>(config: C): Stitch<OutOf<C>, InOf<MemberOf<B, C>>>;
  graphql<const C extends StitchConfig>(config: C): Stitch<OutOf<C>, InOf<MemberOf<B, C>>>;
  /** Forgets what is cached for this principal. */
  invalidate(stitch?: Stitch<unknown, never>): Promise<void>;
}

export interface Seam<B = SeamConfig> extends PrincipalView<B> {
  /** The same calls on behalf of somebody. */
  as(principal: string): PrincipalView<B>;
  /** Waits for background work and for events on their way to sinks. */
  flush(): Promise<void>;
  /** Refuses new calls, waits for those under way, and ends what the seam made itself. Idempotent. */
  close(): Promise<void>;
  /** The store, and which features the fleet shares, approximates, or has per process. */
  describe(): Readonly<Record<string, unknown>>;
  [Symbol.asyncDispose](): Promise<void>;
}

const BRAND = Symbol.for("sluice.seam");
/** The base URL of a view, for tools such as `fromOpenApi`. */
export const SEAM_BASE: unique symbol = Symbol.for("sluice.seam.base");
const MODES: Readonly<Record<string, readonly string[]>> = { throttle: ["local", "open", "closed"], circuit: ["local", "open", "closed"], cache: ["open", "closed"], tokens: ["local", "closed"], lock: ["open", "closed"] };

/**
 * Declares what calls to one service share: base URL, credentials, limits, store, sinks.
 *
 * ```ts
 * const api = seam({ name: "partner", baseUrl: "https://api.example.com", throttle: "20/s", store });
 * const user = api.stitch("GET /users/{id}");
 * ```
 *
 * @throws StitchError `CONFIG_INVALID`, `STORE_CAPABILITY`
 */
export function seam<const B extends SeamConfig>(config: B): Seam<B> {
  const base = withFragments(config as unknown as AnyConfig) as unknown as SeamConfig;
  checkSeam(base);
  const throttle = throttleRules(base.throttle);
  if (throttle !== undefined && isShared(base.store) && base.name === undefined) throw configError("name", base.name, "set: it is the key of the throttle in the shared store");
  checkCapability(base.store, { rate: throttle?.spacingMs !== undefined, concurrency: throttle?.concurrency !== undefined, circuit: base.circuit !== undefined && base.circuit !== false, cluster: typeof base.cache === "object" && base.cache.coalesce === "cluster" });
  const origin = base.baseUrl === undefined ? undefined : compileTemplate("baseUrl", base.baseUrl).origin;
  const runtime = new Runtime(base, { seamName: base.name, origin, throttle });
  const view = viewOf(base, runtime, {});
  const made = {
    ...view,
    as(principal: string): PrincipalView<B> {
      if (typeof principal !== "string" || principal === "") throw configError("principal", principal, "a text that is not empty");
      return Object.freeze(viewOf(base, runtime, { principal })) as PrincipalView<B>;
    },
    flush: () => runtime.flush(),
    close: () => runtime.close(),
    describe: () => describe(base, runtime),
    [Symbol.asyncDispose]: () => runtime.close(),
    [BRAND]: true,
  };
  return Object.freeze(made) as unknown as Seam<B>;
}

function viewOf(base: SeamConfig, runtime: Runtime, context: CallContext): PrincipalView {
  const member = (config: unknown, kind?: "graphql"): Stitch => {
    const own = withFragments(memberConfig(config)) as StitchConfig;
    checkKeys("", own, STITCH_KEYS);
    const { name: _, throttle: __, trace, ...inherited } = base;
    // A `url` of its own takes the place of the base.
    const under = own.url === undefined ? inherited : { ...inherited, baseUrl: undefined };
    const merged = mergeConfig(under as unknown as AnyConfig, { ...(own as unknown as AnyConfig), ...(kind === undefined ? {} : { kind }) }) as StitchConfig;
    if (own.clock !== undefined || own.random !== undefined || own.store !== undefined || (own.trace !== undefined && own.trace !== trace)) throw new StitchError("CONFIG_INVALID", "clock, random, store and trace are the seam's: declare them there");
    const plan = compilePlan({ ...merged, store: base.store, redact: mergeRedact(base.redact, own.redact) }, runtime, own);
    checkHosts(base, plan.template?.origin);
    if (own.adapter !== undefined) runtime.owns(own.adapter);
    const state = new StitchState(plan);
    const made = makeStitch(state, {}, context);
    runtime.join({ name: plan.name, stitch: made, async invalidate(principal) {
      await (await state.openCache())?.invalidate(undefined, principal);
    } });
    return made;
  };
  return {
    ...({ [SEAM_BASE]: base.baseUrl } as object),
    stitch: ((config: unknown) => member(config)) as PrincipalView["stitch"],
    graphql: ((config: unknown) => member(config, "graphql")) as PrincipalView["graphql"],
    async invalidate(stitch) {
      const members = stitch === undefined ? runtime.members : runtime.members.filter((each) => each.stitch === stitch);
      if (stitch !== undefined && members.length === 0) throw configError("stitch", stitch, "a stitch of this seam");
      await Promise.all(members.map((each) => each.invalidate(context.principal)));
    },
  };
}

/** A member's short form may be a path. */
function memberConfig(config: unknown): AnyConfig {
  const parsed = parseConfig(config);
  if (typeof config !== "string") return parsed;
  const { url, ...rest } = parsed;
  return typeof url === "string" && url.startsWith("/") ? { ...rest, path: url } : parsed;
}

function mergeRedact(base: SeamConfig["redact"], own: SeamConfig["redact"]): SeamConfig["redact"] {
  if (base === undefined || own === undefined) return own ?? base;
  const both = (key: "headers" | "query" | "fields"): readonly string[] => [...(base[key] ?? []), ...(own[key] ?? [])];
  return { headers: both("headers"), query: both("query"), fields: both("fields") };
}

function checkHosts({ allowHosts }: SeamConfig, origin: string | undefined): void {
  if (allowHosts === undefined || origin === undefined) return;
  const { host, hostname } = new URL(origin);
  if (!allowHosts.some((allowed) => matchesHost(allowed, host, hostname))) throw configError("url", origin, "a host of allowHosts");
}

function checkSeam(config: SeamConfig): void {
  checkKeys("", config, SEAM_KEYS);
  const { store, secretStore, allowHosts, denyPrivate, failMode, storeTimeoutMs, name, encryption } = config;
  if (store !== undefined) checkStoreShape("store", store);
  if (secretStore !== undefined) checkStoreShape("secretStore", secretStore);
  if (name !== undefined) checked("", () => checkString("name", name));
  if (name === "") throw configError("name", name, "a text that is not empty");
  if (allowHosts !== undefined && (!Array.isArray(allowHosts) || allowHosts.some((host) => typeof host !== "string" || host === ""))) throw configError("allowHosts", allowHosts, "a list of hosts");
  if (denyPrivate !== undefined && typeof denyPrivate !== "boolean") throw configError("denyPrivate", denyPrivate, "true or false");
  if (storeTimeoutMs !== undefined) checked("", () => checkPositive("storeTimeoutMs", storeTimeoutMs));
  if (encryption !== undefined && (typeof encryption.encrypt !== "function" || typeof encryption.decrypt !== "function")) throw configError("encryption", encryption, "an object with encrypt and decrypt");
  if (config.adapter !== undefined && typeof config.adapter !== "function") throw configError("adapter", config.adapter, "a function");
  if (failMode === undefined) return;
  checkKeys("failMode", failMode, Object.keys(MODES));
  for (const [feature, mode] of Object.entries(failMode)) {
    if (mode !== undefined && !(MODES[feature] as readonly string[]).includes(mode)) throw configError(`failMode.${feature}`, mode, `one of ${(MODES[feature] as readonly string[]).join(", ")}`);
  }
}

function describe(base: SeamConfig, runtime: Runtime): Readonly<Record<string, unknown>> {
  const { shared, name, approximate } = describeStore(base.store);
  const features = ["throttle", "circuit", "cache", "tokens", "lock"];
  return Object.freeze({
    name: base.name, store: name, capabilities: { ...base.store?.capabilities },
    fleetWide: shared ? features : [], approximate, local: shared ? ["hedge", "retry budget", 'cache.coalesce: "process"'] : [...features, "hedge", "retry budget"],
    stitches: runtime.members.map((member) => member.name), droppedEvents: runtime.sinks?.dropped ?? 0,
  });
}

/** True for a seam, also of another copy of this package. */
export function isSeam(value: unknown): value is Seam {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

