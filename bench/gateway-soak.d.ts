interface SoakSample {
  readonly heapUsed: number;
  readonly rss: number;
  readonly cpuUs: number;
  readonly handles: Readonly<Record<string, number>>;
  readonly events: Readonly<Record<string, number>>;
}

export interface SoakReport {
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Failures by cause while the upstream was away or just back. */
  readonly explained: Readonly<Record<string, number>>;
  readonly unexplained: Readonly<Record<string, number>>;
  readonly slope: { readonly perMinute: number; readonly error: number };
  readonly first: SoakSample;
  readonly last: SoakSample;
  readonly closed: SoakSample;
  readonly leaked: readonly string[];
  readonly ok: boolean;
}

export function soak(options?: { readonly seconds?: number; readonly inFlight?: number; readonly log?: (text: string) => void }): Promise<SoakReport>;
