/** Keys of stored responses. */

/** Parts of the key of one response. */
export interface KeyParts {
  /** Where the policy stands: gateway, route or global, identity. */
  readonly scope: string;
  /** Canonical path with the query, as it came. */
  readonly target: string;
  readonly origin: string;
  readonly method: string;
  readonly route: string;
  readonly upstream: string;
  /** Further parts: values of `varyHeaders`, the digest of a body, what `cacheKeyFn` gave. */
  readonly extra: string;
}

/**
 * One text for all parts. The lengths at its end tell where each part ends, so two different sets of parts never give
 * the same key, whatever the parts hold. Scope and target stand first, so that a prefix purge is a key prefix.
 */
export function responseKey(parts: KeyParts): string {
  const { scope, target, origin, method, route, upstream, extra } = parts;
  return (
    `${scope}|${target} ${origin} ${method} ${route} ${upstream} ${extra}` +
    `#${scope.length}.${target.length}.${origin.length}.${method.length}.${route.length}.${upstream.length}`
  );
}

/** What the keys of all responses begin with whose target begins with `target`. */
export function keyPrefix(scope: string, target: string): string {
  return `${scope}|${target}`;
}

/** Key of the variant that a request with these field values selects from the set `id` of a response's variants. */
export function variantOf(key: string, id: string, variant: string): string {
  return `${key}~${id}~${variant}`;
}

/** Key of what is stored for one caller alone. `caller` is a digest. */
export function privateKey(key: string, caller: string): string {
  return `${key}@${caller}`;
}
