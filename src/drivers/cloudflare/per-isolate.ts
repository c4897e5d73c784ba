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

/** Gateway names whose state an isolate keeps; a program has a few, and one that makes them up must not fill the memory. */
const MAX_GATEWAYS = 256;

const gateways: Map<string, Map<string, unknown>> = /* @__PURE__ */ new Map();

/** What gateways of that name keep in memory, however often they are made. */
export function gatewayState(gatewayName: string): Map<string, unknown> {
  let state = gateways.get(gatewayName);
  if (state === undefined) {
    if (gateways.size >= MAX_GATEWAYS) gateways.delete(gateways.keys().next().value as string);
    gateways.set(gatewayName, (state = new Map()));
  }
  return state;
}
