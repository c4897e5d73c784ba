/** `idempotency`: a request that is sent twice is done once (draft-ietf-httpapi-idempotency-key-header-07). */

import type { Context } from "hono";
import { checkInteger, checkNonNegative, checkPositive } from "../../../core/check.ts";
import { sleep } from "../../../core/clock.ts";
import { sha256Hex } from "../../../core/digest.ts";
import { stackless } from "../../../core/errors.ts";
import { boundKey, escapeKeyPart } from "../../../core/keys.ts";
import type { StitchStore } from "../../../state/contracts/key-value.ts";
import { behindGuards } from "../../behind-guards.ts";
import { boundedRequestBytes, collectBody } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkBoolean, checkFailMode, checkFieldName, checkNames } from "../../option-checks.ts";
import { judgedFields, provenCallers } from "../../identity.ts";
import { essenceOf } from "../../media-type.ts";
import { queryOf } from "../../path.ts";
import { Priority } from "../../priority.ts";
import { bodyless } from "../../response.ts";
import { values } from "../../local-kinds.ts";
import { StoreFailure, storeCaller, storeSource, storeUnavailable, type StoreCaller, type StoreSource } from "../../store-call.ts";
import type { FailMode, Next, PolicyContext, PolicyOptions } from "../../types.ts";
import { callerKey, checkKeyBy } from "./limit-key.ts";
import type { RateLimitKey } from "./rate-limit.ts";

export interface IdempotencyConfig extends PolicyOptions {
  /** Field with the key. @default "idempotency-key" */
  readonly header?: string;
  /** Methods whose requests are done once. @default ["POST", "PATCH"] */
  readonly methods?: readonly string[];
  /** Refuse such requests without a key. @default false */
  readonly required?: boolean;
  /** How long an answer is kept. @default 86400000 */
  readonly ttlMs?: number;
  /** How long a request holds its key after its process has died. @default 60000 */
  readonly leaseMs?: number;
  /** How long a second request waits for the answer of the first. @default 0 */
  readonly waitMs?: number;
  /** Longest body, of the request (else 413) and of an answer that is kept. @default 1048576 */
  readonly maxBodyBytes?: number;
  /** Whose keys are told apart. What a function gives is the last word; else callers with other credentials, an `Authorization` no auth policy has judged and cookies among them, never share a key. @default the caller's identity, else its address */
  readonly scopeBy?: RateLimitKey;
  /** Where answers are kept. @default the adapter's `store`, else one in memory */
  readonly store?: StitchStore;
  /** When the store is away: go on without protection, refuse with 503, or remember in this process. @default "closed" */
  readonly failMode?: FailMode;
}

/** What is kept under a key: that somebody works on it, or the answer. */
type Kept =
  | { readonly kind: "running"; readonly print: string; readonly token: string }
  | { readonly kind: "done"; readonly print: string; readonly status: number; readonly headers: readonly (readonly [string, string])[]; readonly body: Uint8Array };

interface State {
  readonly stores: StoreSource<StitchStore>;
  readonly twin: StoreCaller<StitchStore>;
  readonly methods: ReadonlySet<string>;
}

type Tools = PolicyTools<IdempotencyConfig, State>;

const define: PolicyFactory<IdempotencyConfig> = /* @__PURE__ */ definePolicy<IdempotencyConfig, State>({
  name: "idempotency",
  httpOnly: true,
  priority: Priority.CACHE,
  validate(config) {
    checkFieldName("header", config.header ?? "idempotency-key");
    if (config.methods !== undefined) checkNames("methods", config.methods, 1);
    checkBoolean("required", config.required);
    checkPositive("ttlMs", config.ttlMs ?? 86_400_000);
    checkPositive("leaseMs", config.leaseMs ?? 60_000);
    checkNonNegative("waitMs", config.waitMs ?? 0);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
    checkKeyBy(config.scopeBy);
    checkFailMode(config.failMode ?? "closed");
  },
  setup: (config, site) => ({
    stores: storeSource(site, values, config.store, config.failMode ?? "closed"),
    twin: storeCaller(site, "localStore", site.local.of(values), "open"),
    methods: new Set((config.methods ?? ["POST", "PATCH"]).map((method) => method.toUpperCase())),
  }),
  async handler(c, next, tools) {
    const { config, state, gateway, site } = tools;
    if (!state.methods.has(c.req.method)) return next();
    const given = c.req.raw.headers.get(config.header ?? "idempotency-key")?.trim();
    if (given === undefined || given === "") {
      if (config.required === true) throw refused(400, "idempotency_key_missing", "An idempotency key is required");
      return next();
    }
    const bytes = await boundedRequestBytes(c, config.maxBodyBytes ?? 1_048_576);
    const print = sha256Hex(JSON.stringify([c.req.method, gateway.path + queryOf(c.req.raw.url), c.req.raw.headers.get("content-type") ?? "", sha256Hex(bytes)]));
    const scope = await callerKey(c, gateway, site.policyName, site.scopeKey, config.scopeBy ?? "identity", true);
    const chosen = typeof config.scopeBy === "function" && scope.startsWith(`${site.scopeKey}:k:`);
    const key = boundKey(`${scope}:${callerDigest(c, gateway, chosen)}:${escapeKeyPart(given)}`);
    let caller = state.stores.of(gateway.adapter);
    if (caller === undefined) throw storeUnavailable();
    const token = site.random.uuid();
    let claim = await take(caller, key, { kind: "running", print, token }, tools);
    if (claim instanceof StoreFailure) {
      if (config.failMode === "open") return next();
      if (config.failMode !== "local") throw storeUnavailable(claim.retryAfterMs);
      caller = state.twin;
      claim = await take(caller, key, { kind: "running", print, token }, tools);
      if (claim instanceof StoreFailure) throw storeUnavailable(claim.retryAfterMs);
    }
    if (claim !== "taken") return replay(claim);
    return run(c, next, tools, caller, key, { kind: "running", print, token });
  },
});

/**
 * Replays the answer to a request with the same key, method, path and body: `idempotent-replayed: true`. Another request with the key is a
 * 422 `idempotency_key_reused`, one that comes while the first is in progress a 409 `idempotency_in_progress`. Answers of 401, 408, 425, 429,
 * of 500 and above, event streams and those that broke off are not kept. Policies that can refuse a caller always run first, as for `cache`:
 * the priority is never below that of the last of them.
 */
export const idempotency: PolicyFactory<IdempotencyConfig> = /* @__PURE__ */ behindGuards(define);

/** What else tells callers apart: the origin they know, and their credentials. A credential that was proven is its owner's, and may be renewed. */
function callerDigest(c: Context, gateway: PolicyContext, chosen: boolean): string {
  const { headers } = c.req.raw;
  const authorization = judgedFields(gateway).has("authorization") ? null : headers.get("authorization");
  return sha256Hex(JSON.stringify([gateway.publicOrigin, ...(chosen ? [] : [authorization, headers.get("cookie"), ...provenCallers(gateway)])]));
}

/** Answers that a repeated request must not get again: they ask for it to be repeated, or for credentials, and nothing was done. */
const TRY_AGAIN: ReadonlySet<number> = new Set([401, 408, 425, 429, 499]);

/** Takes the key, or gives the answer that is there; waits for one in progress as long as told. */
async function take(caller: StoreCaller<StitchStore>, key: string, mine: Extract<Kept, { kind: "running" }>, tools: Tools): Promise<"taken" | Extract<Kept, { kind: "done" }> | StoreFailure> {
  const { config, site, gateway } = tools;
  const { clock } = site;
  const until = clock.monotonic() + (config.waitMs ?? 0);
  for (let pauseMs = 20; ; pauseMs = Math.min(250, pauseMs * 1.5)) {
    const taken = await caller.call("compareAndSet", (store) => store.compareAndSet(key, undefined, mine, config.leaseMs ?? 60_000), (reply) => typeof reply === "boolean");
    if (taken instanceof StoreFailure) return taken;
    if (taken) return "taken";
    const there = await caller.call("get", (store) => store.get(key) as Promise<Kept | undefined>, (reply) => reply === undefined || typeof reply?.print === "string");
    if (there instanceof StoreFailure) return there;
    // It ended in between.
    if (there === undefined) continue;
    if (there.print !== mine.print) throw refused(422, "idempotency_key_reused", "The idempotency key belongs to another request");
    if (there.kind === "done") return there;
    const leftMs = until - clock.monotonic();
    if (leftMs <= 0) throw refused(409, "idempotency_in_progress", "A request with this idempotency key is in progress", { "retry-after": "1" });
    await sleep(Math.min(pauseMs, leftMs), clock, gateway.signal);
  }
}

function replay(kept: Extract<Kept, { kind: "done" }>): Response {
  const headers = new Headers();
  for (const [name, value] of kept.headers) headers.append(name, value);
  headers.set("idempotent-replayed", "true");
  return new Response(bodyless(kept.status) ? null : new Uint8Array(kept.body), { status: kept.status, headers });
}

/** Fields that belong to one answer on one connection. */
const NOT_KEPT: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "trailer", "upgrade", "date", "content-length"]);

async function run(c: Context, next: Next, tools: Tools, caller: StoreCaller<StitchStore>, key: string, mine: Extract<Kept, { kind: "running" }>): Promise<Response | void> {
  const { config, site, gateway } = tools;
  const stop = renew(tools, caller, key, mine);
  const free = async (): Promise<void> => {
    stop();
    await caller.call("compareAndSet", (store) => store.compareAndSet(key, mine, undefined));
  };
  await next();
  const { res } = c;
  if (res.status >= 500 || TRY_AGAIN.has(res.status) || gateway.signal.aborted) {
    await free();
    return;
  }
  if (essenceOf(res.headers.get("content-type")) === "text/event-stream") {
    // It passes as it comes, and is not kept: the key is held until it has ended.
    gateway.onBodyEnd(() => gateway.waitUntil(free()));
    return;
  }
  let body: Uint8Array | ReadableStream<Uint8Array>;
  try {
    body = res.body === null ? new Uint8Array(0) : await collectBody(res.body, config.maxBodyBytes ?? 1_048_576);
  } catch (error) {
    // It broke off: nobody knows what the answer was.
    await free();
    throw error;
  }
  if (!(body instanceof Uint8Array)) {
    site.events.emit({ type: "policy.warning", policy: site.policyName, message: "An answer longer than maxBodyBytes was not kept: a repeated request is done again" });
    await free();
    return new Response(body, { status: res.status, statusText: res.statusText, headers: res.headers });
  }
  stop();
  const done: Kept = { kind: "done", print: mine.print, status: res.status, headers: [...res.headers].filter(([name]) => !NOT_KEPT.has(name)), body };
  const kept = await caller.call("compareAndSet", (store) => store.compareAndSet(key, mine, done, config.ttlMs ?? 86_400_000));
  if (kept !== true) site.events.emit({ type: "policy.warning", policy: site.policyName, message: "An answer could not be kept: a repeated request is done again" });
  return new Response(res.body === null ? null : (body as Uint8Array<ArrayBuffer>), { status: res.status, statusText: res.statusText, headers: res.headers });
}

/** Holds the key while the request is in progress; gives what ends that. */
function renew({ config, site, gateway }: Tools, caller: StoreCaller<StitchStore>, key: string, mine: Kept): () => void {
  const { clock } = site;
  const leaseMs = config.leaseMs ?? 60_000;
  let timer = clock.setTimeout(again, leaseMs / 3);
  function again(): void {
    gateway.waitUntil(Promise.resolve(caller.call("compareAndSet", (store) => store.compareAndSet(key, mine, mine, leaseMs))));
    timer = clock.setTimeout(again, leaseMs / 3);
  }
  return () => clock.clearTimeout(timer);
}

function refused(status: number, code: string, message: string, headers?: Readonly<Record<string, string>>): GatewayError {
  return stackless(() => new GatewayError(status, code, message, headers));
}
