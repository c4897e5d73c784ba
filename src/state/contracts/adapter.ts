/** What a platform brings for every surface. */

import type { WebSocketRuntime } from "../../core/web-socket-port.ts";
import type { RateLimitStore, RateLimiter, TokenBucketPolicy } from "./limits.ts";
import type { CircuitBreakerStore } from "./circuits.ts";
import type { CacheStore } from "./cache.ts";
import type { StitchStore } from "./key-value.ts";
import type { PubSub } from "./pub-sub.ts";

/** One object that feeds every surface. Every field is optional: a surface falls back to a private in-memory store. */
export interface GatewayAdapter {
  rateLimitStore?: RateLimitStore;
  circuitBreakerStore?: CircuitBreakerStore;
  cacheStore?: CacheStore;
  /** Keeps background work alive after the answer was sent. */
  waitUntil?: (promise: Promise<unknown>) => void;
  /** Calls another service of the platform by its binding name. */
  dispatchBinding?: (service: string, request: Request) => Promise<Response>;
  /** Accepts and opens WebSockets, where the requests' `env` does not bring it. */
  webSockets?: WebSocketRuntime;
  store?: StitchStore;
  pubsub?: PubSub;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  /**
   * Where a gateway of that name keeps what lives in its process alone: private stores, stand-ins, guards, single flights.
   * For platforms on which a gateway is made anew for every request: give the same map for the same name as long as the
   * process lives. Absent, each gateway keeps its own.
   */
  privateState?(gatewayName: string): Map<string, unknown>;
  /** Closes what the adapter opened. */
  close?(): Promise<void>;
}
