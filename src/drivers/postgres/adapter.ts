/** The adapter that keeps everything in Postgres, for services that have it already. */

import { checkFunction, checkPositive } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import { type StoreLeaseOptions, leaseOnClock } from "../../state/stores/leased-limits.ts";
import { limitersOn } from "../../state/stores/rate-limiter.ts";
import { PostgresCacheStore } from "./cache-store.ts";
import { type PostgresClient, type PostgresClientOptions, type PostgresConnection, recogniseClient } from "./client.ts";
import { Line, type LineOptions, shareDriver } from "./line.ts";
import { type PostgresPubSub, postgresPubSub } from "./pub-sub.ts";
import { type PostgresStore, postgresStore } from "./store.ts";
import { PostgresCircuitBreakerStore, PostgresRateLimitStore } from "./stores.ts";

export interface PostgresAdapterOptions extends PostgresClientOptions {
  /** A Pool or Client of `pg`, postgres.js, PGlite, or an object with `query(text, params)`. It stays the caller's. */
  readonly client: PostgresClient;
  /** In front of every table's name; matches `^[a-z_][a-z0-9_]{0,40}$`. @default "sluice_" */
  readonly tablePrefix?: string;
  /** `false` leaves a member out; the gateway then uses one in memory for it. @default all true */
  readonly stores?: { readonly rateLimit?: boolean; readonly circuitBreaker?: boolean; readonly cache?: boolean; readonly store?: boolean; readonly pubsub?: boolean };
  /** Keeps background work alive after the answer was sent. @default the gateway's own tracking */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /** Run `cleanup()` this often, in ms; several processes may do so. @default never, no timer */
  readonly cleanupIntervalMs?: number;
  /** Largest body the cache keeps. @default 16 MiB */
  readonly maxEntryBytes?: number;
  /**
   * Limits spend units that were debited beforehand, so a key in use needs a round trip only now and then, and the fleet still never
   * passes a limit: see `lease` of `createStores`. Every process that shares the limits must lease, or none. @default not leased
   */
  readonly lease?: true | StoreLeaseOptions;
  /** Bounds and deadline of the batches of each store. */
  readonly combiner?: LineOptions["combiner"];
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A {@link GatewayAdapter} on one client, whose members share one driver. */
export interface PostgresAdapter extends GatewayAdapter {
  readonly rateLimitStore?: PostgresRateLimitStore;
  readonly circuitBreakerStore?: PostgresCircuitBreakerStore;
  readonly cacheStore?: PostgresCacheStore;
  readonly store?: PostgresStore;
  /** Absent for a client that cannot listen: a single `Client` of `pg`, a bare `query(text, params)`. */
  readonly pubsub?: PostgresPubSub;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  /** Deletes expired rows of all tables, 1,000 per statement; gives how many. */
  cleanup(): Promise<number>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Rate limits, circuits, cache, key-value store, limiters and pub/sub in one database. Run {@link POSTGRES_SCHEMA_SQL} once
 * before: without its tables the first use fails with `STORE_SCHEMA`, which says so. Nothing is sent before something is asked, and
 * what is asked at the same time, of whichever member, leaves as one statement.
 *
 * `close()` ends what is on the wire and gives the listening session back, and never closes `client`.
 *
 * @throws OptionError for a client of no known shape, and for a `tablePrefix` that is no plain identifier.
 *
 * @example
 * createGateway({ adapter: postgresAdapter({ client: new Pool({ connectionString: process.env.DATABASE_URL }) }), routes });
 */
export function postgresAdapter(options: PostgresAdapterOptions): PostgresAdapter {
  const { tablePrefix, clock, random, stores = {} } = options;
  // An object of this adapter's own: what its members share is shared with nobody else.
  const connection = ownConnection(recogniseClient(options.client, options));
  const lease = leaseOnClock(options.lease, clock);
  const common = { tablePrefix, clock, random, combiner: options.combiner };
  const driver = shareDriver(connection, common);
  const rateLimitStore = stores.rateLimit === false ? undefined : new PostgresRateLimitStore(connection, { ...common, lease });
  const circuitBreakerStore = stores.circuitBreaker === false ? undefined : new PostgresCircuitBreakerStore(connection, common);
  const cacheStore = stores.cache === false ? undefined : new PostgresCacheStore(connection, { ...common, maxEntryBytes: options.maxEntryBytes });
  const store = stores.store === false ? undefined : postgresStore(connection, common);
  const pubsub = stores.pubsub === false || connection.listener === undefined ? undefined : postgresPubSub(connection, common);
  const line = new Line(connection, common);
  const limiters = limitersOn(driver, { prefix: "limiter", run: line.run, lease });
  const sweeps = schedule(clock ?? systemClock, options.cleanupIntervalMs, cleanup);
  let closed: Promise<void> | undefined;

  async function cleanup(): Promise<number> {
    const removed = await Promise.all([
      rateLimitStore !== undefined ? rateLimitStore.cleanup() : driver.cleanup("rate_limits"),
      circuitBreakerStore?.cleanup() ?? 0,
      cacheStore?.cleanup() ?? 0,
      store?.cleanup() ?? 0,
    ]);
    return removed.reduce((sum, rows) => sum + rows, 0);
  }

  async function close(): Promise<void> {
    sweeps.stop();
    // What is leased goes back over the line of the limiters.
    await limiters.close();
    await Promise.all([
      rateLimitStore?.[Symbol.asyncDispose](), circuitBreakerStore?.[Symbol.asyncDispose](), cacheStore?.[Symbol.asyncDispose](),
      store?.close(), pubsub?.close(), line.close(),
    ]);
    await driver.close();
  }

  return {
    ...(rateLimitStore === undefined ? {} : { rateLimitStore }),
    ...(circuitBreakerStore === undefined ? {} : { circuitBreakerStore }),
    ...(cacheStore === undefined ? {} : { cacheStore }),
    ...(store === undefined ? {} : { store }),
    ...(pubsub === undefined ? {} : { pubsub }),
    ...(options.waitUntil === undefined ? {} : { waitUntil: checkFunction("waitUntil", options.waitUntil) }),
    rateLimiter: limiters.make,
    cleanup,
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}

function ownConnection(of: PostgresConnection): PostgresConnection {
  return { client: of.client, execute: (statement, params) => of.execute(statement, params), ...(of.listener === undefined ? {} : { listener: () => (of.listener as NonNullable<typeof of.listener>)() }) };
}

/** Runs `work` again and again; one that fails is no reason not to try the next time. */
function schedule(clock: Clock, intervalMs: number | undefined, work: () => Promise<unknown>): { stop(): void } {
  if (intervalMs === undefined) return { stop: () => undefined };
  checkPositive("cleanupIntervalMs", intervalMs);
  let stopped = false;
  let timer: unknown;
  const next = (): void => {
    if (!stopped) timer = clock.setTimeout(() => void work().then(next, next), intervalMs);
  };
  next();
  return {
    stop() {
      stopped = true;
      clock.clearTimeout(timer);
    },
  };
}
