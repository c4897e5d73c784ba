/** Bindings that are not there: one sentence that names them, in the place of "undefined is not a function". */

import { OptionError } from "../../core/errors.ts";
import type { CacheLike, DurableObjectNamespaceLike, KVNamespaceLike, RateLimitBindingLike } from "./types.ts";

/** `className`: the class that has to be behind the binding. */
export function checkNamespace<N extends DurableObjectNamespaceLike>(option: string, namespace: N, className: string): N {
  if (has(namespace, "idFromName", "get")) return namespace;
  throw new OptionError(
    option, namespace,
    `a Durable Object namespace: export ${className} from the Worker, add a binding for it under durable_objects.bindings, list it under new_sqlite_classes in migrations, and pass env.<BINDING>`,
  );
}

export function checkKvNamespace(option: string, namespace: KVNamespaceLike): KVNamespaceLike {
  if (has(namespace, "get", "put", "delete")) return namespace;
  throw new OptionError(option, namespace, "a KV namespace: add a binding under kv_namespaces, and pass env.<BINDING>");
}

export function checkCache(option: string, cache: CacheLike): CacheLike {
  if (has(cache, "match", "put", "delete")) return cache;
  throw new OptionError(option, cache, "a cache of the Cache API: caches.default, or await caches.open(name)");
}

export function checkRateLimitBinding(option: string, binding: RateLimitBindingLike): RateLimitBindingLike {
  if (has(binding, "limit")) return binding;
  throw new OptionError(option, binding, "a rate limiting binding: add it under ratelimits, and pass env.<BINDING>");
}

function has(value: unknown, ...methods: readonly string[]): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return methods.every((method) => typeof (value as Record<string, unknown>)[method] === "function");
}
