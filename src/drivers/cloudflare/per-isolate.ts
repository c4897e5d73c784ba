/** Things of an isolate that belong to a binding: an adapter made for every request finds those of the one before. */

const made: WeakMap<object, Map<string, unknown>> = /* @__PURE__ */ new WeakMap();

/** What `make` gave for this binding and `what` in this isolate, the first time it was asked. */
export function perIsolate<T>(binding: object, what: string, make: () => T): T {
  let ofBinding = made.get(binding);
  if (ofBinding === undefined) made.set(binding, (ofBinding = new Map()));
  let thing = ofBinding.get(what) as T | undefined;
  if (thing === undefined) ofBinding.set(what, (thing = make()));
  return thing;
}
