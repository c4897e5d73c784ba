/** The cache of a stitch: what is stored, who may have it, and one call for many. */

import { NO_REQUEST_DIRECTIVES, parseRequestDirectives, type RequestDirectives } from "../../core/cache-control.ts";
import { variantKey } from "../../core/cache-vary.ts";
import { sha256Hex } from "../../core/digest.ts";
import { joinKey } from "../../core/keys.ts";
import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import { Answer, isJson } from "../answer.ts";
import type { AuthContext } from "../auth/strategy.ts";
import { Call } from "../call.ts";
import { isStitchError } from "../errors.ts";
import { newFields } from "../fields.ts";
import type { CacheRules } from "../limit-options.ts";
import type { Plan } from "../plan.ts";
import { prepare, type Prepared } from "../prepare.ts";
import type { StoreAccess } from "../store-access.ts";
import { outgoing } from "../transmit.ts";
import { conditions, entryOf, refreshed, standsIn, verdict, type Entry } from "./entry.ts";
import { Flights } from "./flights.ts";
import { LocalIndex } from "./local-index.ts";
import { ParsedBody } from "./parsed-body.ts";
import { SharedEntries } from "./shared-entries.ts";

/** What the cache gives: an answer, and for one that is new what stores it. */
export interface Answered {
  readonly answer: Answer;
  readonly store?: () => Promise<void>;
}

export type Fetch = (prepared: Prepared) => Promise<Answer>;

/** What stands for a call: its key, and what its variants differ by. */
interface Subject {
  readonly key: string;
  readonly prepared: Prepared;
  readonly directives: RequestDirectives;
}

/** What a flight hands to those who joined: bytes, from which each makes an answer of its own. */
interface Landed {
  readonly status: number;
  readonly headers: Answer["fields"];
  readonly body: Uint8Array;
  readonly url: string;
  readonly requestedAt: number;
  readonly respondedAt: number;
}

const MAX_WAITING = 10_000;
const MAX_KNOWN_VARY = 1000;
/** Fields of a request that no answer depends on. */
const UNKEYED: ReadonlySet<string> = /* @__PURE__ */ new Set(["traceparent", "tracestate", "idempotency-key"]);

export class ResponseCache {
  readonly rules: CacheRules;
  readonly #plan: Plan;
  readonly #access: StoreAccess | undefined;
  readonly #index: LocalIndex;
  readonly #shared: SharedEntries | undefined;
  readonly #flights: Flights<Landed> = new Flights<Landed>(MAX_WAITING);
  readonly #refreshing = new Set<string>();
  /** Request fields by which an URL is known to vary. */
  readonly #varies = new Map<string, readonly string[]>();

  readonly #fetching: (call: Call) => MaybePromise<Fetch>;
  readonly #authOf: (call: Call) => MaybePromise<AuthContext | undefined>;

  /** `access` where the fleet shares the store. The functions give what a call of the stitch asks and signs with. */
  constructor(plan: Plan, access: StoreAccess | undefined, fetching: (call: Call) => MaybePromise<Fetch>, authOf: (call: Call) => MaybePromise<AuthContext | undefined>) {
    this.#plan = plan;
    this.#fetching = fetching;
    this.#authOf = authOf;
    this.rules = plan.cache as CacheRules;
    this.#access = access;
    this.#index = new LocalIndex(this.rules.maxEntries);
    this.#shared = access === undefined ? undefined : new SharedEntries(plan.name, access);
    plan.runtime.caches.add(this);
  }

  /** An answer: at once where this process has it. */
  answer(call: Call, prepared: Prepared, fetch: Fetch): MaybePromise<Answered> {
    return chain(this.#subject(call, prepared), (subject) => {
      if (subject === undefined) return fetch(prepared).then((answer) => ({ answer }));
      return chain(this.#read(subject, call.principal), (entry) => {
        const use = entry === undefined ? "ask" : verdict(entry, subject.directives, call.runtime.clock.now());
        if (entry === undefined || use === "ask") return this.#wanted(call, subject, entry, fetch);
        call.source = use === "fresh" ? "cache" : "stale";
        if (call.watched) call.emit({ type: "progress", phase: "cache", detail: call.source });
        if (use === "stale") this.#refresh(call, subject, entry);
        return { answer: this.#shared === undefined ? localAnswerOf(entry) : answerOf(entry) };
      });
    });
  }

  /** One call of those that overlap asks. */
  async #wanted(call: Call, subject: Subject, entry: Entry | undefined, fetch: Fetch): Promise<Answered> {
    if (this.rules.coalesce === false) return this.#ask(call, subject, entry, fetch);
    let own: Answered | undefined;
    const { value, joined } = await this.#flights.run(this.#flightKey(subject), call.scope, async () => {
      own = await this.#exclusive(call, subject, entry, fetch);
      const bytes = await own.answer.bytes(this.#plan.maxResponseBytes);
      const { status, fields, url, requestedAt, respondedAt } = own.answer;
      return { value: { status, headers: fields, body: bytes, url, requestedAt, respondedAt }, shared: this.#mayShare(own.answer) };
    });
    if (!joined) return own as Answered;
    call.source = "shared";
    return { answer: new Answer({ status: value.status, headers: value.headers, body: copyFor(value.headers, value.body) }, value.url, value.requestedAt, value.respondedAt) };
  }

  /** Forgets one input, or all of the stitch: of the principal where there is one. */
  async invalidate(call: Call | undefined, principal: string | undefined): Promise<void> {
    if (call === undefined) {
      this.#index.deletePrefix(principal === undefined ? "" : `${joinKey(principal)}\n`);
      await this.#shared?.nextGeneration(principal);
      return;
    }
    const prepared = await prepare(call, call.input);
    call.end();
    const subject = await this.#subject(call, prepared);
    if (subject === undefined) return;
    this.#index.delete(subject.key);
    await this.#shared?.delete(subject.key);
  }

  /** A successful unsafe call changed what stands at this URL (RFC 9111 4.4). */
  async dropUrl(call: Call, url: string): Promise<void> {
    for (const method of this.rules.methods) {
      const key = this.#keyText(method, url, "", call.principal, "");
      this.#index.deletePrefix(key.slice(0, key.length - 1));
      await this.#shared?.delete(key);
    }
  }

  /** The key of a call, or nothing when it is none of this cache's. */
  #subject(call: Call, prepared: Prepared): Subject | undefined | Promise<Subject | undefined> {
    const { rules } = this;
    if (!rules.methods.has(prepared.method)) return undefined;
    const { headers } = prepared;
    const directives = headers["cache-control"] === undefined && headers["pragma"] === undefined ? NO_REQUEST_DIRECTIVES : parseRequestDirectives(headers["cache-control"], headers["pragma"]);
    if (directives.noStore || headers["range"] !== undefined) return undefined;
    if (prepared.body !== undefined && prepared.body.raw === undefined) return undefined;
    const strategy = this.#plan.auth;
    const given = headers["authorization"] !== undefined || headers["cookie"] !== undefined || headers["x-api-key"] !== undefined;
    const app = rules.tenancy === "app" && rules.explicitTenancy;
    if ((strategy !== undefined || given) && call.principal === undefined && !app) return undefined;
    const make = (identity: string): Subject => {
      const secret = given || identity !== "" ? sha256Hex(JSON.stringify([identity, headers["authorization"], headers["cookie"], headers["x-api-key"]])) : "";
      const { origin, pathname, search } = prepared.target;
      const body = prepared.body === undefined ? "" : sha256Hex(prepared.body.raw as Uint8Array);
      return { key: this.#keyText(prepared.method, origin + pathname + search, body, call.principal, secret), prepared, directives };
    };
    if (strategy === undefined || call.principal !== undefined) return make("");
    return this.#identity(call, prepared).then(make);
  }

  /** A text that differs when the credentials do: what the strategy would put on the request. */
  async #identity(call: Call, prepared: Prepared): Promise<string> {
    const { plan } = call;
    const auth = await this.#authOf(call);
    if (plan.auth === undefined || auth === undefined) return "";
    const request = outgoing(call, prepared, call.scope);
    const before = request.url;
    await plan.auth.apply(request, auth);
    const added = Object.entries(request.headers).filter(([name, value]) => prepared.headers[name] !== value && !UNKEYED.has(name));
    return JSON.stringify([added, request.url === before ? "" : request.url]);
  }

  #keyText(method: string, url: string, body: string, principal: string | undefined, secret: string): string {
    const owner = this.rules.tenancy === "app" && this.rules.explicitTenancy ? undefined : principal;
    return `${owner === undefined ? "" : joinKey(owner)}\n${this.#plan.name}\n${method}\n${url}\n${body}\n${this.rules.version}\n${secret}`;
  }

  #read(subject: Subject, principal: string | undefined): Entry | undefined | Promise<Entry | undefined> {
    if (this.#shared !== undefined) return this.#shared.read(subject.key, this.#ownerOf(principal), (names) => variantKey(names, (name) => subject.prepared.headers[name]));
    const variants = this.#index.get(subject.key);
    if (variants === undefined) return undefined;
    const entry = variants.entries.get(variants.vary.length === 0 ? "" : variantKey(variants.vary, (name) => subject.prepared.headers[name]));
    return entry === undefined || entry.keepUntil <= this.#plan.runtime.clock.now() ? undefined : entry;
  }

  #ownerOf(principal: string | undefined): string | undefined {
    return this.rules.tenancy === "app" && this.rules.explicitTenancy ? undefined : principal;
  }

  /** Calls join only when whatever an answer may depend on is equal. */
  #flightKey(subject: Subject): string {
    const { headers } = subject.prepared;
    const known = this.#varies.get(subject.key);
    const names = known ?? Object.keys(headers).filter((name) => !UNKEYED.has(name)).sort();
    return `${subject.key}\n${variantKey(names, (name) => headers[name])}`;
  }

  #mayShare(answer: Answer): boolean {
    return answer.get("set-cookie") === undefined && answer.get("vary")?.includes("*") !== true;
  }

  /** With `cluster`, one process of the fleet asks; the others wait for what it stores. */
  async #exclusive(call: Call, subject: Subject, entry: Entry | undefined, fetch: Fetch): Promise<Answered> {
    const shared = this.#shared;
    if (this.rules.coalesce !== "cluster" || shared === undefined || this.#access === undefined) return this.#ask(call, subject, entry, fetch);
    const attemptMs = this.#plan.timeout.attemptMs === Infinity ? 60_000 : this.#plan.timeout.attemptMs;
    const lock = await shared.lockOrEntry(subject.key, attemptMs, call.scope, async () => {
      const found = await this.#read(subject, call.principal);
      return found !== undefined && verdict(found, subject.directives, call.runtime.clock.now()) === "fresh" ? found : undefined;
    });
    if (lock.entry !== undefined) {
      call.source = "shared";
      return { answer: answerOf(lock.entry) };
    }
    try {
      const asked = await this.#ask(call, subject, entry, fetch);
      if (asked.store === undefined) {
        await lock.release();
        return asked;
      }
      const { store } = asked;
      // Held until it is stored, so that the next finds it; given up by its time when the output proves bad.
      return { answer: asked.answer, store: async () => {
        try {
          if (await lock.stillHeld()) await store();
        } finally {
          await lock.release();
        }
      } };
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Asks the upstream: whether what is stored is still good, where there is something. */
  async #ask(call: Call, subject: Subject, entry: Entry | undefined, fetch: Fetch): Promise<Answered> {
    const { prepared } = subject;
    if (entry === undefined) return this.#stored(call, subject, await fetch(prepared));
    const headers = newFields(prepared.headers);
    const asks = conditions(entry);
    for (const name of Object.keys(asks)) headers[name] ??= asks[name] as string;
    try {
      const answer = await fetch({ ...prepared, headers, conditional: true });
      if (answer.status !== 304) return this.#stored(call, subject, answer);
      await answer.discard();
      call.source = "revalidated";
      const renewed = refreshed(entry, answer, this.rules);
      const now = renewed?.entry ?? { ...entry, headers: entry.headers };
      return { answer: answerOf(now), store: renewed === undefined ? undefined : () => this.#write(call, subject, renewed.entry, renewed.vary) };
    } catch (error) {
      const failed = isStitchError(error) && (error.code === "NETWORK" || error.code === "TIMEOUT" || error.code === "CIRCUIT_OPEN" || error.code === "BODY_TRUNCATED" || (error.status !== undefined && error.status >= 500));
      if (!failed || !standsIn(entry, call.runtime.clock.now()) || call.scope.cancelled !== undefined) throw error;
      call.source = "stale";
      call.emit({ type: "info", topic: "cache", detail: `stale answer in place of ${error.code}` });
      return { answer: answerOf(entry) };
    }
  }

  async #stored(call: Call, subject: Subject, answer: Answer): Promise<Answered> {
    const body = await answer.bytes(this.#plan.maxResponseBytes);
    const made = entryOf(answer, body, this.rules);
    if (made === undefined) return { answer };
    if (this.#varies.size >= MAX_KNOWN_VARY) this.#varies.clear();
    this.#varies.set(subject.key, made.vary);
    return { answer, store: () => this.#write(call, subject, made.entry, made.vary) };
  }

  async #write(call: Call, subject: Subject, entry: Entry, vary: readonly string[]): Promise<void> {
    const variant = vary.length === 0 ? "" : variantKey(vary, (name) => subject.prepared.headers[name]);
    if (this.#shared === undefined) this.#index.set(subject.key, vary, variant, { ...entry, body: entry.body.slice() });
    else await this.#shared.write(subject.key, this.#ownerOf(call.principal), vary, variant, entry, call.runtime.clock.now());
  }

  /** Asks in the background; one at a time here, and with a store one of the fleet. */
  #refresh(call: Call, subject: Subject, entry: Entry): void {
    const key = this.#flightKey(subject);
    if (this.#refreshing.has(key) || this.#refreshing.size >= MAX_KNOWN_VARY) return;
    this.#refreshing.add(key);
    // The call that began it is over by then: its deadline is none of the background's.
    const later = async (): Promise<void> => {
      try {
        const own = new Call(call.plan, { ...call.input, signal: undefined }, { principal: call.principal });
        own.scope.limit(call.plan.timeout.totalMs);
        try {
          const ask = await this.#fetching(own);
          const run = async (): Promise<void> => {
            const asked = await this.#ask(own, subject, entry, ask);
            await asked.store?.();
          };
          if (this.#shared === undefined) await run();
          else await this.#shared.refreshOnce(subject.key, run);
        } finally {
          own.end();
        }
      } catch {
        // The stale answer goes on being served as long as it may.
      } finally {
        this.#refreshing.delete(key);
      }
    };
    call.runtime.background(later());
  }
}

function answerOf(entry: Entry): Answer {
  return new Answer({ status: entry.status, body: copyFor(entry.headers, entry.body) }, entry.url, entry.storedAt, entry.storedAt, entry.headers);
}

/** The same for an entry of this process, whose JSON is parsed once. */
function localAnswerOf(entry: Entry): Answer {
  const answer = answerOf(entry);
  const type = entry.headers["content-type"];
  if (entry.body.byteLength === 0 || typeof type !== "string" || !isJson(type)) return answer;
  let parsed = PARSED.get(entry);
  if (parsed === undefined) PARSED.set(entry, (parsed = new ParsedBody(entry.body)));
  answer.parsed = parsed;
  return answer;
}

const PARSED: WeakMap<Entry, ParsedBody> = /* @__PURE__ */ new WeakMap();

/** What is parsed is copied by parsing; bytes that reach the caller are copied here. */
function copyFor(headers: Answer["fields"], body: Uint8Array): Uint8Array {
  const type = headers["content-type"];
  return typeof type === "string" && (isJson(type) || type.startsWith("text/")) ? body : body.slice();
}
