/** One configuration made ready to serve. */

import { systemClock } from "../core/clock.ts";
import { systemRandom } from "../core/random.ts";
import { compile } from "./compile.ts";
import { createDebug } from "./debug.ts";
import { DEFAULT_ERROR_MESSAGE } from "./errors.ts";
import { createPrivateStores } from "./local-stores.ts";
import { adminSettings } from "./operation/admin-options.ts";
import { debugSettings } from "./operation/debug-headers.ts";
import { checkTracing } from "./operation/tracing.ts";
import { GATEWAY_PLACE, createProcessState } from "./process-state.ts";
import type { Core, Snapshot } from "./internals.ts";
import { storeOptions } from "./store-options.ts";
import type { GatewayConfig } from "./types.ts";
import { validateGatewayConfig } from "./validate.ts";
import { addressTrust } from "./client-ip.ts";

export const DEFAULT_NAME = "edge-gateway";
export const DEFAULT_METHODS: readonly string[] = Object.freeze(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Checks `config` wholly before anything is made from it. */
export function createSnapshot(core: Core, config: GatewayConfig): Snapshot {
  validateGatewayConfig(config);
  checkTracing(config.tracing);
  const clock = config.clock ?? systemClock;
  const random = config.random ?? systemRandom;
  const name = config.name ?? DEFAULT_NAME;
  const shared = config.adapter?.privateState?.(name);
  const process = shared === undefined ? core.process : createProcessState(shared);
  // Private stores of a gateway that is made per request must outlive it.
  const local = shared === undefined ? core.local : process.keep(GATEWAY_PLACE, "stores", () => createPrivateStores(clock));
  const compiled = compile(
    config,
    { gatewayName: name, adapter: config.adapter, local, stores: storeOptions(config.stores), clock, random, events: core.events, process },
    config.defaultMethods ?? DEFAULT_METHODS,
  );
  return {
    core,
    config,
    name,
    adapter: config.adapter,
    local,
    admin: adminSettings(config.admin, config.basePath ?? ""),
    clock,
    random,
    debug: createDebug(config.debug),
    requestIdHeader: (config.requestIdHeader ?? "x-request-id").toLowerCase(),
    trustRequestId: config.trustRequestId ?? false,
    trust: addressTrust(config.trustProxy),
    defaultErrorMessage: config.defaultErrorMessage ?? DEFAULT_ERROR_MESSAGE,
    onError: config.onError,
    tracing: config.tracing,
    debugHeaders: debugSettings(config.debugHeaders),
    routes: compiled.routes,
    unmatched: compiled.unmatched,
    early: compiled.early,
    looseSite: compiled.looseSite,
    loose: new Map(),
    inFlight: 0,
    retired: false,
    purges: compiled.purges,
    resets: compiled.resets,
    places: compiled.places,
    dispose: compiled.dispose,
  };
}
