/** Runs policies on one phase of an exchange that is not HTTP, or is somebody else's HTTP. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import { isGatewayError, policyError } from "../errors.ts";
import { LATEST_GUARD, Priority } from "../priority.ts";
import type { Policy } from "../types.ts";
import { applyMutations, workingCopy } from "./mutations.ts";
import { CONTINUE, DEFAULT_PHASES, PROCESSING_PHASES, type Mutation, type PolicyEvalContext, type PolicyInput, type PolicyReject, type PolicyResult } from "./protocol.ts";

/** The verdict of a chain of policies. */
export type EvaluationResult = PolicyResult & {
  /** The policy that ended it. */
  readonly policy?: string;
  /** Everything the policies asked for, in the order in which it was applied; also beside a rejection. */
  readonly mutations?: readonly Mutation[];
};

/**
 * Asks the policies that take part in `input.phase`: in the order of a pipeline for request phases, the other way round
 * for response phases. What one changes the next one sees. The first that rejects or answers ends it; what a policy
 * throws is a rejection with the status and code its HTTP answer would have. Policies without `evaluate` (`httpOnly`) do
 * not take part. `input` itself is not changed.
 *
 * ```ts
 * const verdict = await evaluatePolicies(policies, { phase: "request-headers", method: "GET", path: "/", headers, attributes: new Map(), protocol: "grpc" }, context);
 * ```
 */
export async function evaluatePolicies(policies: readonly Policy[], input: PolicyInput, ctx: PolicyEvalContext): Promise<EvaluationResult> {
  const response = PROCESSING_PHASES.indexOf(input.phase) >= PROCESSING_PHASES.indexOf("response-headers");
  const taking = policies
    .filter((policy) => policy.evaluate !== undefined && (policy.phases ?? DEFAULT_PHASES).includes(input.phase))
    .sort((a, b) => priorityOf(a) - priorityOf(b));
  if (response) taking.reverse();
  const working = workingCopy(input);
  const mutations: Mutation[] = [];
  for (const policy of taking) {
    const run = response ? policy.evaluate?.onResponse : policy.evaluate?.onRequest;
    if (run === undefined) continue;
    const result = await settled(policy, () => run(working, ctx));
    if (result.action === "continue") {
      if (result.mutations === undefined || result.mutations.length === 0) continue;
      applyMutations(working, result.mutations);
      mutations.push(...result.mutations);
      continue;
    }
    return { ...result, policy: policy.name, ...(mutations.length === 0 ? undefined : { mutations }) };
  }
  return mutations.length === 0 ? CONTINUE : { action: "continue", mutations };
}

async function settled(policy: Policy, run: () => MaybePromise<PolicyResult>): Promise<PolicyResult> {
  try {
    return await run();
  } catch (error) {
    return rejectionOf(policy.name, error);
  }
}

/** What was thrown, as the rejection its HTTP answer would be. */
function rejectionOf(policyName: string, error: unknown): PolicyReject {
  const known = isGatewayError(error) ? error : policyError(policyName, error);
  return {
    action: "reject",
    status: known.statusCode,
    code: known.code,
    message: known.message,
    ...(known.headers === undefined ? undefined : { headers: known.headers }),
    ...(known.type === undefined ? undefined : { problemType: known.type }),
    ...(known.members === undefined ? undefined : { members: known.members }),
  };
}

function priorityOf(policy: Policy): number {
  const wanted = policy.priority ?? Priority.DEFAULT;
  return policy.guard === true ? Math.min(wanted, LATEST_GUARD) : wanted;
}
