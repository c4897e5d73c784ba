/** What one cache policy keeps at one place in a gateway: options in the form requests need, stores, keys. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import { escapeKeyPart, joinKey } from "../../../../core/keys.ts";
import type { CacheStore } from "../../../../state/contracts/cache.ts";
import type { GatewayAdapter } from "../../../../state/contracts/adapter.ts";
import { GatewayError, policyError } from "../../../errors.ts";
import { queryOf } from "../../../path.ts";
import { responses } from "../../../local-kinds.ts";
import { type StoreSource, storeCaller, storeSource } from "../../../store-call.ts";
import type { PolicyContext, PolicySite } from "../../../types.ts";
import { bodyKey } from "./body-key.ts";
import { responseKey } from "./cache-key.ts";
import { cacheName } from "./cache-status.ts";
import { CachePort } from "./cache-port.ts";
import type { StorageRules } from "./freshness.ts";
import { type ResolvedCacheConfig, storageRules } from "./options.ts";
import type { RequestFacts } from "./request-facts.ts";

export class SiteState {
  readonly config: ResolvedCacheConfig;
  readonly site: PolicySite;
  readonly rules: StorageRules;
  readonly methods: ReadonlySet<string>;
  readonly varyHeaders: readonly string[];
  /** The gateway in `Cache-Status`. */
  readonly name: string;
  readonly resultField: string;
  /** Fields of the upstream that are not stored, since each answer gets its own. */
  readonly ownFields: readonly string[];
  readonly #source: StoreSource<CacheStore>;
  #port: CachePort | undefined;
  #twin: CachePort | undefined;

  constructor(config: ResolvedCacheConfig, site: PolicySite) {
    this.config = config;
    this.site = site;
    this.rules = storageRules(config);
    this.methods = new Set(config.methods.filter((method) => method !== "HEAD"));
    this.varyHeaders = [...new Set((config.varyHeaders ?? []).map((name) => name.toLowerCase()))].sort();
    this.name = cacheName(site.gatewayName);
    this.resultField = config.cacheStatusHeader.toLowerCase();
    this.ownFields = [this.resultField];
    this.#source = storeSource(site, responses, config.store, config.failMode);
  }

  /** The store of this request; `undefined` when there is none and the policy must not do without. */
  port(adapter: GatewayAdapter | undefined): CachePort | undefined {
    const caller = this.#source.of(adapter);
    if (caller === undefined) return undefined;
    if (this.#port === undefined || this.#port.store !== caller.store) this.#port = new CachePort(this.site, caller, this.config.failMode);
    return this.#port;
  }

  /** The in-process store that stands in for one that is away. */
  get twin(): CachePort {
    return (this.#twin ??= new CachePort(this.site, storeCaller(this.site, "localCacheStore", this.site.local.of(responses), "open"), "open"));
  }

  /** The same, if it was ever needed. */
  get standIn(): CachePort | undefined {
    return this.#twin;
  }

  /**
   * The key of the response to a request; `undefined` when its body is too long to be part of one. `chosen` is where the
   * upstream's target function sends it, when there is one.
   */
  key(c: Context, gateway: PolicyContext, request: RequestFacts, chosen: string): MaybePromise<string | undefined> {
    const { cacheKeyFn } = this.config;
    if (cacheKeyFn !== undefined) {
      const own = this.#ownKey(c, cacheKeyFn);
      return isPromise(own) ? own.then((text) => this.#join(c, gateway, request, chosen, "", text)) : this.#join(c, gateway, request, chosen, "", own);
    }
    if (request.method === "GET" || request.head) return this.#join(c, gateway, request, chosen, "", undefined);
    return bodyKey(c, this.config.maxEntryBytes).then((body) => (body === undefined ? undefined : this.#join(c, gateway, request, chosen, body, undefined)));
  }

  /** The tag by which all responses of one URL are found. */
  urlTag(origin: string, target: string): string {
    return joinKey(this.site.gatewayName, "url", origin + target);
  }

  /** Tags of users, kept apart from those of other gateways on the same store. */
  tags(names: Iterable<string>): string[] {
    const prefix = `${escapeKeyPart(this.site.gatewayName)}:tag:`;
    return [...new Set(names)].map((name) => prefix + escapeKeyPart(name));
  }

  /** All tags of a response: its URL's, those of its fields, and what the option `tags` gives. */
  tagsOf(c: Context, response: Response, urlTag: string): MaybePromise<string[]> {
    const names = [...fieldTags(response.headers.get("cache-tag")), ...spacedTags(response.headers.get("surrogate-key"))];
    const { tags } = this.config;
    if (tags === undefined) return [urlTag, ...this.tags(names)];
    const finish = (more: readonly string[] | undefined): string[] => {
      if (more !== undefined && (!Array.isArray(more) || !more.every((name) => typeof name === "string"))) {
        throw policyError(this.site.policyName, new TypeError("tags() must give a list of texts"));
      }
      return [urlTag, ...this.tags([...names, ...(more ?? [])])];
    };
    try {
      const more = tags(c, response);
      return isPromise(more) ? more.then(finish, (error: unknown) => Promise.reject(policyError(this.site.policyName, error))) : finish(more);
    } catch (error) {
      throw error instanceof GatewayError ? error : policyError(this.site.policyName, error);
    }
  }

  #join(c: Context, gateway: PolicyContext, request: RequestFacts, chosen: string, body: string, own: string | undefined): string {
    const { url } = c.req.raw;
    const varied = this.varyHeaders.length === 0 ? "" : request.variant(this.varyHeaders);
    return responseKey({
      scope: this.site.scopeKey,
      target: own === undefined ? gateway.path + queryOf(url) : "",
      origin: own === undefined ? gateway.publicOrigin : "",
      method: request.head ? "GET" : request.method,
      route: gateway.routePath,
      upstream: chosen === "" ? gateway.upstream : `${gateway.upstream} ${chosen}`,
      extra: own === undefined ? `${varied}${body}` : `${varied}=${own}`,
    });
  }

  #ownKey(c: Context, make: (c: Context) => MaybePromise<string>): MaybePromise<string> {
    const check = (key: unknown): string => {
      if (typeof key === "string" && key !== "") return key;
      throw policyError(this.site.policyName, new TypeError("cacheKeyFn must give a non-empty text"));
    };
    try {
      const key = make(c);
      return isPromise(key) ? key.then(check, (error: unknown) => Promise.reject(policyError(this.site.policyName, error))) : check(key);
    } catch (error) {
      throw policyError(this.site.policyName, error);
    }
  }
}

function fieldTags(field: string | null): string[] {
  if (field === null) return [];
  return field.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
}

function spacedTags(field: string | null): string[] {
  return field === null ? [] : field.split(/[ \t]+/).filter((tag) => tag !== "");
}

