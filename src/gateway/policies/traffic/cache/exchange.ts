/** One request through the cache: look up, answer from the store, or ask the upstream and keep what it says. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import { sleep } from "../../../../core/clock.ts";
import { stackless } from "../../../../core/errors.ts";
import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import { requestState } from "../../../context.ts";
import type { PolicyTools } from "../../../define-policy.ts";
import { GatewayError } from "../../../errors.ts";
import { provenCallers } from "../../../identity.ts";
import { bodyInMemory } from "../../../light-response.ts";
import { bodyless, discard } from "../../../response.ts";
import { StoreFailure, storeUnavailable } from "../../../store-call.ts";
import type { Next, PolicyContext } from "../../../types.ts";
import { isDebugRequested, setDebugHeader } from "../../../operation/debug-headers.ts";
import { queryOf } from "../../../path.ts";
import { type Assessment, assess, standsIn } from "./assess.ts";
import type { CachePort } from "./cache-port.ts";
import { type CacheStatus, type Forward, formatCacheStatus } from "./cache-status.ts";
import { type Captured, captureBody } from "./capture.ts";
import type { EntryMeta } from "./entry.ts";
import { Fill, LOCK_MS } from "./fill.ts";
import type { FlightEnd } from "./flights.ts";
import { type Found, lookUp } from "./lookup.ts";
import type { ResolvedCacheConfig } from "./options.ts";
import { refreshInBackground } from "./refresh.ts";
import { type CacheResult, reportOn, tellResult } from "./report.ts";
import { RequestFacts } from "./request-facts.ts";
import { answerFrom } from "./serve.ts";
import type { SiteState } from "./site-state.ts";
import { conditionalRequest, declaredLength } from "./upstream-request.ts";

type Answer = MaybePromise<Response | void>;
/** What the store holds for a request; `undefined` when the request has no key there. */
export type Looked = MaybePromise<Found | StoreFailure | undefined>;

/** How long nobody waits for a key whose response could not be shared. */
const PASS_MS = 10_000;
/** Times a caller waits for others before it asks the upstream alone. */
const MAX_WAITS = 3;

const utf8: TextEncoder = /* @__PURE__ */ new TextEncoder();

export class Exchange {
  readonly c: Context;
  readonly state: SiteState;
  readonly config: ResolvedCacheConfig;
  readonly gateway: PolicyContext;
  readonly request: RequestFacts;
  #next: Next = notRunning;
  readonly #debug: PolicyTools<ResolvedCacheConfig, SiteState>["debug"];
  /** The key tells callers apart, and there is one to tell apart. */
  readonly personal: boolean;
  port: CachePort;
  #key = "";
  /** Where the upstream's target function would have sent the request when it was looked up. */
  #chosen = "";
  #waits = 0;
  #joinedLate = false;
  /** Answered by somebody else's fill. */
  #collapsed: FlightEnd | undefined;

  constructor(c: Context, tools: PolicyTools<ResolvedCacheConfig, SiteState>, port: CachePort) {
    const { state, gateway } = tools;
    this.c = c;
    this.state = state;
    this.config = state.config;
    this.gateway = gateway;
    this.#debug = tools.debug;
    this.port = port;
    const request = new RequestFacts(c.req.method, c.req.raw.headers, gateway.identity, state.config.respectRequestDirectives, provenCallers(gateway));
    this.request = request;
    this.personal = request.authenticated && (state.config.cacheKeyFn !== undefined || (state.varyHeaders.length > 0 && request.toldApartBy(state.varyHeaders)));
  }

  /** `looked`: what {@link look} gives, or has given before the policy's turn. */
  run(next: Next, looked: Looked): Answer {
    this.#next = next;
    return isPromise(looked) ? looked.then((found) => this.#found(found)) : this.#found(looked);
  }

  #found(found: Awaited<Looked>): Answer {
    return found === undefined ? this.#bypass(this.#bypasses ? "request" : "bypass") : this.#decide(found, this.now);
  }

  get #bypasses(): boolean {
    return this.request.directives.noStore || this.request.forOriginOnly;
  }

  /** Asks the store; `undefined` when this request has nothing to ask it. */
  look(): Looked {
    if (this.#bypasses) return undefined;
    const { chooseTarget } = this.gateway;
    if (chooseTarget === undefined) return this.#keyFor("");
    const chosen = chooseTarget();
    return isPromise(chosen) ? chosen.then((target) => this.#keyFor(target)) : this.#keyFor(chosen);
  }

  /** Takes back what {@link look} has locked. */
  async letGo(looked: Looked): Promise<void> {
    const found = await looked;
    if (found === undefined || found instanceof StoreFailure || found.fill?.kind !== "fill") return;
    await this.port.unlock(found.key, found.fill.token);
  }

  #keyFor(chosen: string): Looked {
    this.#chosen = chosen;
    const key = this.state.key(this.c, this.gateway, this.request, chosen);
    return isPromise(key) ? key.then((found) => this.#keyed(found)) : this.#keyed(key);
  }

  get now(): number {
    return this.state.site.clock.now();
  }

  #keyed(key: string | undefined): Looked {
    if (key === undefined) return undefined;
    this.#key = key;
    setDebugHeader(this.c, "x-sluice-cache-key", key);
    return this.#find();
  }

  #find(): MaybePromise<Found | StoreFailure> {
    const { request, personal, now } = this;
    return lookUp(this.port, this.#key, { request, personal, now, lockMs: this.#locksAlong(now) ? LOCK_MS : undefined });
  }

  /** Whether this request would ask for the lock of what it does not find, as far as that is known before. */
  #locksAlong(now: number): boolean {
    const { request, port } = this;
    if (!port.canOpen || !this.config.coalesce || !request.plain || request.directives.onlyIfCached || (request.authenticated && !this.personal)) return false;
    return this.#waits < MAX_WAITS && port.flights.get(this.#key) === undefined && !port.flights.passes(this.#key, now);
  }

  #lookUp(): Answer {
    const found = this.#find();
    return isPromise(found) ? found.then((result) => this.#decide(result, this.now)) : this.#decide(found, this.now);
  }

  #decide(found: Found | StoreFailure, now: number): Answer {
    if (found instanceof StoreFailure) return this.#storeFailed(found);
    const { record, meta } = found;
    if (record === undefined || meta === undefined) {
      if (this.request.directives.onlyIfCached) throw notCached();
      return this.#ask(found, found.miss, undefined);
    }
    if (this.request.authenticated && !meta.shared && !found.personal) {
      if (this.request.directives.onlyIfCached) throw notCached();
      return this.#ask({ ...found, record: undefined, meta: undefined }, "bypass", undefined);
    }
    const assessment = assess(record, meta, this.request.directives, this.config, now);
    switch (assessment.use) {
      case "fresh":
        return this.#answer(record, assessment, now, "HIT", undefined);
      case "stale":
        return this.#answer(record, assessment, now, "STALE", undefined);
      case "refresh":
        if (this.#refresh(found)) return this.#answer(record, assessment, now, "STALE", undefined);
        break;
    }
    if (this.request.directives.onlyIfCached) throw notCached();
    if (this.#collapsed === "error" && this.#standsIn(record, meta)) {
      return this.#answer(record, assessment, now, "STALE", { fwd: assessment.fwd, collapsed: true });
    }
    return this.#ask(found, assessment.fwd, assessment);
  }

  /** Answers from the store. `status`: what else to say, when the upstream had been asked. */
  #answer(record: CacheRecord, assessment: Assessment, now: number, result: CacheResult, status: CacheStatus | undefined): Response {
    const ttl = Math.floor(assessment.leftMs / 1000);
    let report: CacheStatus = status === undefined ? { hit: true, ttl } : { ...status, ttl };
    let word = result;
    if (this.#collapsed === "stored" && result === "HIT" && !this.#joinedLate) {
      word = "MISS";
      report = { fwd: "uri-miss", fwdStatus: record.status, collapsed: true };
    }
    this.#debug("%s %s", word, this.#key);
    tellResult(this.state.site, word);
    if (isDebugRequested(this.c)) {
      for (const [name, value] of [["status", word], ["ttl", Math.round((record.freshUntil - record.storedAt) / 1000)], ["expires-in", ttl]] as const) setDebugHeader(this.c, `x-sluice-cache-${name}`, value);
    }
    return answerFrom(record, this.request, {
      ageSeconds: Math.floor(assessment.ageMs / 1000),
      resultField: this.state.resultField,
      result: word,
      cacheStatus: formatCacheStatus(this.state.name, report),
      now,
    });
  }

  /** Asks the upstream, unless somebody is asking for the same already. */
  #ask(found: Found, fwd: Forward, assessment: Assessment | undefined): Answer {
    const { request, port, config } = this;
    // Whoever may not see others' answers waits only for fills of the same caller.
    const flightKey = request.authenticated && !this.personal ? `${found.key}\n${request.caller}` : found.key;
    const held = found.fill?.kind === "fill";
    const joins = config.coalesce && fwd !== "bypass" && fwd !== "request" && !found.pass && this.#waits < MAX_WAITS && !port.flights.passes(flightKey, this.now);
    // Whoever holds the lock is waited for by others, and so waits for nobody.
    if (joins && !held) {
      const flight = port.flights.get(flightKey);
      if (flight !== undefined) {
        // Once it is known that the response is going to be stored, waiting for its end is part of a look-up.
        this.#joinedLate = flight.filling;
        return flight.wait(config.coalesceWaitMs, this.state.site.clock).then((end) => this.#waited(end, found, fwd, assessment));
      }
    }
    const fill = new Fill(this, found, flightKey, joins && request.plain);
    if (found.fill !== undefined && (held || joins)) return this.#locked(found.fill, found, fwd, fill);
    if (!joins || !request.plain || !port.canLock || (request.authenticated && !this.personal)) return this.#fetch(found, fwd, fill);
    const lock = port.lock(found.key, LOCK_MS);
    if (isPromise(lock)) return lock.then((answer) => this.#locked(answer, found, fwd, fill));
    return this.#locked(lock, found, fwd, fill);
  }

  #locked(lock: Awaited<ReturnType<CachePort["lock"]>>, found: Found, fwd: Forward, fill: Fill): Answer {
    if (lock instanceof StoreFailure) return this.#fetch(found, fwd, fill);
    if (lock.kind === "wait") return this.#awaitOthers(lock.waitMs, found, fwd, fill);
    fill.token = { key: found.key, token: lock.token, until: this.now + LOCK_MS };
    return this.#fetch(found, fwd, fill);
  }

  /** Another process fills: looks again until its response is there, or takes over. */
  async #awaitOthers(waitMs: number, found: Found, fwd: Forward, fill: Fill): Promise<Response | void> {
    const { clock, random } = this.state.site;
    const until = this.now + Math.min(waitMs, this.config.coalesceWaitMs);
    let pauseMs = 20;
    try {
      while (this.now < until) {
        await sleep(Math.min(pauseMs * (0.75 + random.next() / 2), Math.max(1, until - this.now)), clock);
        pauseMs = Math.min(250, pauseMs * 1.5);
        const { request, personal, now } = this;
        const again = await lookUp(this.port, this.#key, { request, personal, now, lockMs: LOCK_MS });
        if (again instanceof StoreFailure || again.pass) break;
        if (again.record !== undefined && again.record.storedAt !== found.record?.storedAt) {
          fill.end("stored");
          this.#collapsed = "stored";
          return await this.#decide(again, this.now);
        }
        if (again.key !== found.key) {
          await this.letGo(again);
          continue;
        }
        const lock = again.fill ?? (await this.port.lock(found.key, LOCK_MS));
        if (lock instanceof StoreFailure) break;
        if (lock.kind === "fill") {
          fill.token = { key: found.key, token: lock.token, until: this.now + LOCK_MS };
          return await this.#fetch(found, fwd, fill);
        }
      }
      // It takes too long, or cannot be shared: nobody here waits for it again soon.
      this.port.flights.pass(fill.flightKey, this.now + PASS_MS);
      return await this.#fetch(found, fwd, fill);
    } catch (error) {
      fill.end("failed");
      throw error;
    }
  }

  #waited(end: FlightEnd | "timeout", found: Found, fwd: Forward, assessment: Assessment | undefined): Answer {
    this.#waits++;
    if (end === "stored" || end === "failed" || (end === "error" && found.record !== undefined)) {
      this.#collapsed = end;
      return this.#lookUp();
    }
    this.#waits = MAX_WAITS;
    return this.#ask(found, fwd, assessment);
  }

  async #fetch(found: Found, fwd: Forward, fill: Fill): Promise<Response | void> {
    this.#collapsed = undefined;
    const { c } = this;
    const { raw } = c.req;
    const conditional = found.record === undefined || fwd === "bypass" || this.request.method !== "GET" ? undefined : conditionalRequest(raw, found.record);
    try {
      if (conditional !== undefined) c.req.raw = conditional;
      fill.requestedAt = this.now;
      this.request.keepFields();
      await this.#next();
      fill.respondedAt = this.now;
      c.req.raw = raw;
      return await this.#received(found, fwd, fill, conditional !== undefined);
    } catch (error) {
      c.req.raw = raw;
      fill.end("failed");
      throw error;
    }
  }

  async #received(found: Found, fwd: Forward, fill: Fill, validating: boolean): Promise<Response | void> {
    const { c } = this;
    const { res } = c;
    const { status } = res;
    const { record, meta } = found;
    if (record !== undefined && meta !== undefined) {
      if (validating && status === 304 && !this.#elsewhere) return this.#revalidated(record, meta, fwd, fill, res);
      if (status >= 500 && fwd === "stale" && this.#standsIn(record, meta)) {
        fill.end("error");
        const { now } = this;
        drop(c);
        return this.#answer(record, assess(record, meta, this.request.directives, this.config, now), now, "STALE", { fwd, fwdStatus: status });
      }
    }
    const plan = this.#elsewhere ? "bypass" : fill.plan(status, res.headers);
    if (typeof plan === "string" || this.request.head) {
      // What is stored has been replaced by something that may not be; a status of no interest (a refusal) replaces nothing.
      const replaced = (plan === "bypass" || plan === "useless") && record !== undefined && !this.request.head && !this.#elsewhere;
      if (replaced) await fill.drop();
      fill.end(this.#clientLeft ? "failed" : status < 500 ? "unshared" : "error");
      const result = fwd === "bypass" && typeof plan === "string" ? "BYPASS" : plan === "status" ? "SKIP" : plan === "bypass" ? "BYPASS" : "MISS";
      this.#report(result, { fwd, fwdStatus: status });
      return undefined;
    }
    const length = declaredLength(res.headers);
    if (length !== undefined && length > this.config.maxEntryBytes) {
      fill.end("unshared");
      this.#report("MISS", { fwd, fwdStatus: status });
      return undefined;
    }
    const tags = await this.state.tagsOf(c, res, fill.urlTag);
    const fields = fill.fields(res.headers, plan);
    this.#report("MISS", { fwd, fwdStatus: status, stored: true });
    const memory = bodyInMemory(res);
    if (memory !== undefined && memory !== null) {
      const bytes = typeof memory === "string" ? utf8.encode(memory) : memory;
      // A body of another length than declared is broken; whoever sends it will notice, too.
      if (bytes.byteLength > this.config.maxEntryBytes || (length !== undefined && length !== bytes.byteLength)) fill.end("unshared");
      else this.#inBackground(fill.store(plan, status, fields, bytes, tags));
      return undefined;
    }
    const body = memory === null ? null : res.body;
    if (body === null) {
      if (length === undefined || length === 0 || bodyless(status)) this.#inBackground(fill.store(plan, status, fields, new Uint8Array(0), tags));
      else fill.end("failed");
      return undefined;
    }
    const done = (captured: Captured): void => {
      if (captured instanceof Uint8Array) {
        this.#inBackground(fill.store(plan, status, fields, captured, tags));
      } else {
        fill.end(captured === "too-large" ? "unshared" : "failed");
      }
    };
    fill.filling();
    const copy = await captureBody(body, { maxBytes: this.config.maxEntryBytes, length, done, readOn: () => fill.awaited });
    const response = new Response(copy as Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>, { status, statusText: res.statusText, headers: res.headers });
    // Assigning over an existing response would merge the two.
    c.res = undefined;
    c.res = response;
    return undefined;
  }

  /** The client does not wait for a store; who asks for the same meanwhile joins the fill. */
  #inBackground(stored: MaybePromise<void>): void {
    if (isPromise(stored)) this.gateway.waitUntil(stored);
  }

  /** The upstream says that what is stored is still right. */
  async #revalidated(record: CacheRecord, meta: EntryMeta, fwd: Forward, fill: Fill, res: Response): Promise<Response> {
    const refreshed = await fill.refresh(record, meta, res.headers);
    drop(this.c);
    const { now } = this;
    const assessment = { use: "fresh", fwd, ageMs: refreshed.ageMs, leftMs: refreshed.record.freshUntil - now } as const;
    return this.#answer(refreshed.record, assessment, now, "REVALIDATED", { fwd, fwdStatus: 304, stored: refreshed.stored });
  }

  /** The upstream sent the request to another place than it was looked up for: inner policies had their say. */
  get #elsewhere(): boolean {
    const { upstreamPlace, upstreamTarget } = requestState(this.c);
    return (upstreamPlace ?? upstreamTarget ?? "") !== this.#chosen;
  }

  /** The upstream's call failed because its client left: that says nothing about the next one. */
  get #clientLeft(): boolean {
    return this.gateway.upstreamError !== undefined && (this.c.res.status === 499 || this.c.req.raw.signal.aborted);
  }

  #standsIn(record: CacheRecord, meta: EntryMeta): boolean {
    return standsIn(record, meta, this.request.directives, this.config, this.now);
  }

  /** Refreshes a stale response in the background, once at a time. False when there is no way to. */
  #refresh(found: Found): boolean {
    const { detached } = this.gateway;
    // Where a detached call goes is not known here.
    if (detached === undefined || this.#chosen !== "") return false;
    if (this.port.flights.get(found.key) !== undefined) return true;
    const fill = new Fill(this, found, found.key, true);
    const run = (request: Request): Promise<Response> => detached.call(this.gateway, this.state.site.policyName, request);
    this.gateway.waitUntil(refreshInBackground(this, found, fill, run).finally(() => fill.end("failed")));
    return true;
  }

  #storeFailed(failure: StoreFailure): Answer {
    const { failMode } = this.config;
    if (failMode === "closed") throw storeUnavailable(failure.retryAfterMs);
    if (failMode === "local" && this.port !== this.state.twin) {
      this.port = this.state.twin;
      return this.#lookUp();
    }
    // Nothing is known, so nothing is claimed.
    if (this.request.directives.onlyIfCached) throw notCached();
    return this.#next();
  }

  /** Neither looked up nor stored. */
  async #bypass(fwd: Forward): Promise<void> {
    if (this.request.directives.onlyIfCached) throw notCached();
    await this.#next();
    this.#report("BYPASS", { fwd, fwdStatus: this.c.res.status });
  }

  #report(result: CacheResult, status: CacheStatus): void {
    this.#debug("%s %s", result, this.#key);
    reportOn(this.c, this.state, result, status);
  }

  /** Absolute URL of the request, by its canonical path. */
  get urlTag(): string {
    const { url } = this.c.req.raw;
    return this.state.urlTag(this.gateway.publicOrigin, this.gateway.path + queryOf(url));
  }
}

/** Lets go of the upstream's answer, so that the next one replaces it instead of being merged with it. */
function drop(c: Context): void {
  discard(c.res);
  c.res = undefined;
  c.finalized = false;
}

function notRunning(): never {
  throw new TypeError("the exchange has not begun");
}

function notCached(): GatewayError {
  return stackless(() => new GatewayError(504, "cache_miss", "The request asked for a stored response only, and there is none"));
}
