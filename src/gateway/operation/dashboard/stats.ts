/** The last minute of a gateway in figures, kept only while somebody looks. */

import type { Clock } from "../../../core/clock.ts";
import type { GatewayEvent } from "../../types.ts";

/** Seconds on the chart. */
export const SECONDS = 60;
/** Routes with figures of their own; a configuration may have thousands. */
const MAX_ROUTES = 200;
const MAX_NAMES = 200;
const MAX_ERRORS = 100;
/** Bounds of the latency histogram, in ms: 8 per doubling, so a percentile is off by at most 9 %. */
const BOUNDS: readonly number[] = /* @__PURE__ */ Array.from({ length: 160 }, (_, i) => 0.1 * 2 ** (i / 8));

class Latencies {
  private readonly counts = new Uint32Array(BOUNDS.length + 1);
  total = 0;

  add(ms: number): void {
    const at = ms <= 0.1 ? 0 : Math.min(BOUNDS.length, Math.ceil(Math.log2(ms / 0.1) * 8));
    this.counts[at] = (this.counts[at] as number) + 1;
    this.total++;
  }

  /** The upper bound of the bucket the share falls into. */
  percentile(share: number): number | null {
    if (this.total === 0) return null;
    let left = Math.ceil(this.total * share);
    for (let i = 0; i < BOUNDS.length; i++) {
      left -= this.counts[i] as number;
      if (left <= 0) return Math.round((BOUNDS[i] as number) * 100) / 100;
    }
    return BOUNDS.at(-1) as number;
  }

  mergeInto(other: Latencies): void {
    for (let i = 0; i < this.counts.length; i++) other.counts[i] = (other.counts[i] as number) + (this.counts[i] as number);
    other.total += this.total;
  }
}

interface Second {
  readonly at: number;
  readonly classes: [number, number, number, number, number];
  readonly latencies: Latencies;
}

interface RouteFigures {
  requests: number;
  errors: number;
  latencies: Latencies;
}

type Tally = Map<string, Record<string, number>>;

/** What the page gets every second. */
export interface StatsView {
  readonly seconds: readonly { readonly ok: number; readonly redirect: number; readonly client: number; readonly server: number }[];
  readonly perSecond: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly routes: readonly { readonly route: string; readonly requests: number; readonly errors: number; readonly p95: number | null }[];
  readonly limits: readonly { readonly policy: string; readonly counts: Readonly<Record<string, number>> }[];
  readonly cache: Readonly<Record<string, number>>;
  readonly circuits: readonly { readonly key: string; readonly state: string; readonly sinceMs: number }[];
  readonly stores: readonly { readonly store: string; readonly up: boolean; readonly p95: number | null; readonly errors: number }[];
  readonly errors: readonly { readonly at: number; readonly status: number; readonly code: string; readonly route: string }[];
}

export class DashboardStats {
  private readonly clock: Clock;
  private readonly ring: Second[] = [];
  private readonly routes = new Map<string, RouteFigures>();
  private readonly limits: Tally = new Map();
  private readonly cache: Record<string, number> = {};
  private readonly circuits = new Map<string, { state: string; at: number }>();
  private readonly stores = new Map<string, { up: boolean; latencies: Latencies; errors: number }>();
  private readonly errors: { at: number; status: number; code: string; route: string }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  readonly take = (event: GatewayEvent): void => {
    switch (event.type) {
      case "request":
        return this.request(event);
      case "limit":
        return count(this.limits, event.policy, event.decision);
      case "cache":
        this.cache[event.result] = (this.cache[event.result] ?? 0) + 1;
        return;
      case "circuit":
        if (this.circuits.size < MAX_NAMES || this.circuits.has(event.key)) this.circuits.set(event.key, { state: event.to, at: this.clock.monotonic() });
        return;
      case "store.call": {
        const store = this.storeOf(event.store);
        store.latencies.add(event.durationMs);
        if (!event.ok) store.errors++;
        return;
      }
      case "store.down":
      case "store.up":
        this.storeOf(event.store).up = event.type === "store.up";
    }
  };

  view(): StatsView {
    const now = this.second();
    const all = new Latencies();
    const seconds = Array.from({ length: SECONDS }, (_, i) => this.ring.find((one) => one.at === now - SECONDS + i));
    for (const second of seconds) second?.latencies.mergeInto(all);
    const last = seconds.slice(-10).reduce((sum, second) => sum + (second === undefined ? 0 : second.classes.reduce((a, b) => a + b, 0)), 0);
    return {
      seconds: seconds.map((second) => ({ ok: second?.classes[2] ?? 0, redirect: second?.classes[3] ?? 0, client: second?.classes[0] ?? 0, server: second?.classes[1] ?? 0 })),
      perSecond: last / 10,
      p50: all.percentile(0.5), p95: all.percentile(0.95), p99: all.percentile(0.99),
      routes: [...this.routes].map(([route, { requests, errors, latencies }]) => ({ route, requests, errors, p95: latencies.percentile(0.95) })),
      limits: [...this.limits].map(([policy, counts]) => ({ policy, counts })),
      cache: this.cache,
      circuits: [...this.circuits].map(([key, { state, at }]) => ({ key, state, sinceMs: Math.round(this.clock.monotonic() - at) })),
      stores: [...this.stores].map(([store, { up, latencies, errors }]) => ({ store, up, p95: latencies.percentile(0.95), errors })),
      errors: this.errors.toReversed(),
    };
  }

  private request(event: Extract<GatewayEvent, { type: "request" }>): void {
    const at = this.second();
    let second = this.ring.at(-1);
    if (second === undefined || second.at !== at) {
      this.ring.push((second = { at, classes: [0, 0, 0, 0, 0], latencies: new Latencies() }));
      while (this.ring.length > SECONDS + 1) this.ring.shift();
    }
    // Order of the classes: 4xx, 5xx, 2xx, 3xx, others.
    const slot = event.status >= 500 ? 1 : event.status >= 400 ? 0 : event.status >= 300 ? 3 : 2;
    second.classes[slot]++;
    second.latencies.add(event.durationMs);
    let route = this.routes.get(event.route);
    if (route === undefined && this.routes.size < MAX_ROUTES) this.routes.set(event.route, (route = { requests: 0, errors: 0, latencies: new Latencies() }));
    if (route !== undefined) {
      route.requests++;
      if (event.status >= 500) route.errors++;
      route.latencies.add(event.durationMs);
    }
    if (event.status < 400) return;
    this.errors.push({ at: Math.round(this.clock.now()), status: event.status, code: event.code ?? "upstream", route: event.route });
    if (this.errors.length > MAX_ERRORS) this.errors.shift();
  }

  private storeOf(name: string): { up: boolean; latencies: Latencies; errors: number } {
    let store = this.stores.get(name);
    if (store === undefined) this.stores.set(name, (store = { up: true, latencies: new Latencies(), errors: 0 }));
    return store;
  }

  private second(): number {
    return Math.floor(this.clock.monotonic() / 1000);
  }
}

function count(tally: Tally, name: string, what: string): void {
  let counts = tally.get(name);
  if (counts === undefined) {
    if (tally.size >= MAX_NAMES) return;
    tally.set(name, (counts = {}));
  }
  counts[what] = (counts[what] ?? 0) + 1;
}
