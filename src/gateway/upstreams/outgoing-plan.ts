/** What policies of a request have decided about the call of its upstream: another target, fields, a signature. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { RequestState } from "../context.ts";
import type { Target } from "./target.ts";

type Field = readonly [name: string, value: string];

/** The request as the upstream gets it. */
export interface SentRequest {
  readonly method: string;
  readonly origin: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Names in lower case, `host` included. */
  readonly headers: readonly Field[];
}

export interface OutgoingPlan {
  /** Takes the place of the upstream's own target. */
  target?: Target;
  rewritePath?: (path: string) => string;
  /** Fields that are not sent, names in lower case. */
  strip: string[];
  /** Fields set last, names in lower case; a later one wins. */
  set: Field[];
  preserveHost?: boolean;
  /** By policy, so that an attempt replaces what the one before it said: gives further fields for the request as it is about to leave. */
  readonly sign: Map<string, (request: SentRequest) => MaybePromise<readonly Field[]>>;
}

export function outgoingPlan(state: RequestState): OutgoingPlan {
  return (state.plan ??= { strip: [], set: [], sign: new Map() });
}

/** The fields of the request under `plan`: less what is stripped, plus what is set, signed at the end. */
export function plannedFields(plan: OutgoingPlan, fields: readonly string[], request: Omit<SentRequest, "headers">): MaybePromise<string[]> {
  const set = new Map(plan.set);
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!plan.strip.includes(name) && !set.has(name)) kept.push(name, fields[i + 1] as string);
  }
  for (const [name, value] of set) kept.push(name, value);
  return plan.sign.size === 0 ? kept : signed(plan, kept, request);
}

async function signed(plan: OutgoingPlan, fields: string[], request: Omit<SentRequest, "headers">): Promise<string[]> {
  for (const sign of plan.sign.values()) {
    const headers: Field[] = [];
    for (let i = 0; i < fields.length; i += 2) headers.push([fields[i] as string, fields[i + 1] as string]);
    if (!headers.some(([name]) => name === "host")) headers.push(["host", new URL(request.origin).host]);
    for (const [name, value] of await sign({ ...request, headers })) {
      // Names stand at even places; a value may be the same text.
      for (let i = fields.length - 2; i >= 0; i -= 2) if (fields[i] === name) fields.splice(i, 2);
      fields.push(name, value);
    }
  }
  return fields;
}
