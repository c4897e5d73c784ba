/** `sluice/gateway/sdk`: what authors of policies use. */

export { definePolicy, type PolicyDefinition, type PolicyFactory, type PolicyTools } from "./gateway/define-policy.ts";
export { Priority } from "./gateway/priority.ts";
export { getGatewayContext } from "./gateway/context.ts";
export { safeCall, type SafeCallOptions } from "./gateway/sdk/safe-call.ts";
export { resolveConfig } from "./gateway/sdk/resolve-config.ts";
export { withSkip } from "./gateway/sdk/with-skip.ts";
export { createPolicyTestHarness, type PolicyTestHarness, type PolicyTestHarnessOptions } from "./gateway/sdk/harness.ts";
export { TestAdapter, createTestAdapter } from "./gateway/sdk/test-adapter.ts";
