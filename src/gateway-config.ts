/** `sluice/gateway/config`: checking, merging and importing configurations. */

export { mergeConfigs } from "./gateway/config/merge.ts";
export { routesFromOpenApi, type OpenApiOptions } from "./gateway/config/open-api.ts";
export { ConfigValidationError, safeValidateConfig, validateConfig, type ConfigCheck, type ConfigIssue } from "./gateway/config/validate-config.ts";
