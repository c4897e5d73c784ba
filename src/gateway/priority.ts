/** Where policies stand in a pipeline. */

/** Lower runs first. Ties: global, scope (outer to inner), route, then list order. */
export const Priority: Readonly<{
  OBSERVABILITY: 0;
  IP_FILTER: 1;
  METRICS: 1;
  EARLY: 5;
  AUTH: 10;
  RATE_LIMIT: 20;
  CIRCUIT_BREAKER: 30;
  CACHE: 40;
  REQUEST_TRANSFORM: 50;
  TIMEOUT: 85;
  RETRY: 90;
  RESPONSE_TRANSFORM: 92;
  PROXY: 95;
  DEFAULT: 100;
  MOCK: 999;
}> = Object.freeze({
  OBSERVABILITY: 0,
  IP_FILTER: 1,
  METRICS: 1,
  EARLY: 5,
  AUTH: 10,
  RATE_LIMIT: 20,
  CIRCUIT_BREAKER: 30,
  CACHE: 40,
  REQUEST_TRANSFORM: 50,
  TIMEOUT: 85,
  RETRY: 90,
  RESPONSE_TRANSFORM: 92,
  PROXY: 95,
  DEFAULT: 100,
  MOCK: 999,
});

/** Guards run at most here, before any stored response is served. */
export const LATEST_GUARD = 39;
