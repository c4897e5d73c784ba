/** `sluice/postgres`: exact shared state in Postgres, through the client you have. */

export { postgresAdapter } from "./drivers/postgres/adapter.ts";
export type { PostgresAdapter, PostgresAdapterOptions } from "./drivers/postgres/adapter.ts";
export { PostgresCacheStore } from "./drivers/postgres/cache-store.ts";
export type { PostgresCacheStoreOptions } from "./drivers/postgres/cache-store.ts";
export { fromPg, fromPostgresJs, fromQuery } from "./drivers/postgres/client.ts";
export type { PgLike, PostgresClient, PostgresClientOptions, PostgresConnection, PostgresJsLike, PostgresListener, QueryLike } from "./drivers/postgres/client.ts";
export { postgresDriver } from "./drivers/postgres/driver.ts";
export type { PostgresDriver, PostgresDriverOptions } from "./drivers/postgres/driver.ts";
export { postgresPubSub } from "./drivers/postgres/pub-sub.ts";
export type { PostgresPubSub, PostgresPubSubOptions } from "./drivers/postgres/pub-sub.ts";
export { POSTGRES_SCHEMA_SQL, postgresSchemaSql } from "./drivers/postgres/schema.ts";
export type { PostgresSchemaOptions } from "./drivers/postgres/schema.ts";
export { postgresRateLimiter, postgresStore } from "./drivers/postgres/store.ts";
export type { PostgresRateLimiter, PostgresRateLimiterOptions, PostgresStore, PostgresStoreOptions } from "./drivers/postgres/store.ts";
export { PostgresCircuitBreakerStore, PostgresRateLimitStore } from "./drivers/postgres/stores.ts";
export type { PostgresCircuitBreakerStoreOptions, PostgresRateLimitStoreOptions } from "./drivers/postgres/stores.ts";
export type { KeyValueStore } from "./state/stores/key-value-store.ts";
