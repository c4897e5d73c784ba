/** `sluice/gateway/sdk`: what authors of policies use. */

export { definePolicy, type PolicyDefinition, type PolicyFactory, type PolicyTools } from "./gateway/define-policy.ts";
export { circuits as localCircuits, rateLimits as localRateLimits, responses as localResponses, values as localValues } from "./gateway/local-kinds.ts";
export { Priority } from "./gateway/priority.ts";
export { getGatewayContext } from "./gateway/context.ts";
export { safeCall, type SafeCallOptions } from "./gateway/sdk/safe-call.ts";
export { resolveConfig } from "./gateway/sdk/resolve-config.ts";
export { withSkip } from "./gateway/sdk/with-skip.ts";
export { createPolicyTestHarness, type PolicyTestHarness, type PolicyTestHarnessOptions } from "./gateway/sdk/harness.ts";
export { TestAdapter, createTestAdapter } from "./gateway/sdk/test-adapter.ts";
export { evaluatePolicies, type EvaluationResult } from "./gateway/evaluation/evaluate-policies.ts";
export { PROCESSING_PHASES } from "./gateway/evaluation/protocol.ts";
export type {
  AttributeMutation, BodyMutation, EvaluateDefinition, EvaluateTools, HeaderMutation, IdentityMutation, Mutation, PolicyContinue, PolicyEvalContext, PolicyEvaluator,
  PolicyImmediateResponse, PolicyInput, PolicyReject, PolicyResult, ProcessingPhase, ProtocolType, StatusMutation,
} from "./gateway/evaluation/protocol.ts";
export { isTraceRequested, policyTrace } from "./gateway/sdk/policy-trace.ts";
export { noopTraceReporter, type PolicyTrace, type PolicyTraceDetail, type PolicyTraceEntry, type TraceReporter } from "./gateway/operation/trace-report.ts";
export { isDebugRequested, parseDebugRequest, setDebugHeader, type DebugRequest } from "./gateway/operation/debug-headers.ts";
export { policyDebug } from "./gateway/sdk/policy-debug.ts";
