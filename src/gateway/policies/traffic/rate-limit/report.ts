/** What all limits of one request say about themselves, in one place: the fields are lists with a member for each. */

import type { PolicyContext } from "../../../types.ts";
import { type AppliedLimit, writeRateLimitHeaders } from "./headers.ts";

export interface LimitReport {
  /** Of every limit so far. */
  readonly all: readonly AppliedLimit[];
  /** No limit stands further out: this one writes the fields for all of them. */
  readonly writes: boolean;
}

const reports: WeakMap<PolicyContext, AppliedLimit[]> = /* @__PURE__ */ new WeakMap();

/** Adds what a limit has decided. */
export function addToReport(gateway: PolicyContext, own: AppliedLimit[]): LimitReport {
  const all = reports.get(gateway);
  if (all !== undefined) {
    all.push(...own);
    return { all, writes: false };
  }
  reports.set(gateway, own);
  return { all: own, writes: true };
}

/** The fields of a refusal: of all limits so far. */
export function refusalFields(all: readonly AppliedLimit[]): Record<string, string> {
  const fields: Record<string, string> = {};
  writeRateLimitHeaders({ set: (name, value) => void (fields[name] = value) }, all);
  return fields;
}
