/** The fault matrix as the documentation shows it. */

import type { Backend, Expected } from "./backends.ts";

export function matrixRows(backends: readonly Backend[]): string[] {
  return backends.flatMap(({ name, faults }) => faults.map((fault) => rowOf(name, fault.name, fault.expected)));
}

function rowOf(backend: string, fault: string, expected: Expected): string {
  const { down, get, set, kept } = expected;
  const limits = down.includes("rateLimitStore");
  const breaker = down.includes("circuitBreakerStore");
  const lost = Object.entries(kept).filter(([, there]) => !there).map(([what]) => what);
  return `| ${backend} | ${fault} | ${limits ? "in-process limit / admitted / 503" : "as ever"} | ${breaker ? "in-process circuit / called / 503" : "as ever"} | ${down.includes("cacheStore") ? "upstream" : "as ever"} | ${get} / ${set} | ${lost.length === 0 ? "all" : lost.length === 3 ? "nothing" : `all but ${lost.join(", ")}`} |`;
}
