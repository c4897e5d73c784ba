/** `sluice/gateway`: the API gateway and its policies. */

export { createGateway } from "./gateway/create-gateway.ts";
export { scope, type ScopeConfig } from "./gateway/scope.ts";
export { getGatewayContext } from "./gateway/context.ts";
export { definePolicy, type PolicyDefinition, type PolicyFactory, type PolicyTools } from "./gateway/define-policy.ts";
export { Priority } from "./gateway/priority.ts";
export {
  GATEWAY_ERROR_CODES, GatewayError, defaultErrorResponse, errorToResponse, isGatewayError, type GatewayErrorCode, type GatewayErrorOptions,
} from "./gateway/errors.ts";
export { DEFAULT_IP_HEADERS, extractClientIp, type ExtractClientIpOptions } from "./gateway/client-ip.ts";
export { safeCall, type SafeCallOptions } from "./gateway/sdk/safe-call.ts";
export { resolveConfig } from "./gateway/sdk/resolve-config.ts";
export { withSkip } from "./gateway/sdk/with-skip.ts";
export { createPolicyTestHarness, type PolicyTestHarness, type PolicyTestHarnessOptions } from "./gateway/sdk/harness.ts";

export { assignMetrics, type AssignMetricsConfig } from "./gateway/policies/observability/assign-metrics.ts";
export { metricsReporter, type MetricsReporterConfig } from "./gateway/policies/observability/metrics-reporter.ts";
export { serverTiming, type ServerTimingConfig, type ServerTimingVisibility } from "./gateway/policies/observability/server-timing.ts";
export { apiKeyAuth, type ApiKeyAuthConfig, type ForwardKeyIdentity } from "./gateway/policies/auth/api-key-auth.ts";
export { basicAuth, type BasicAuthConfig } from "./gateway/policies/auth/basic-auth.ts";
export { csrf, type CsrfConfig } from "./gateway/policies/auth/csrf.ts";
export { generateHttpSignature, type GenerateHttpSignatureConfig } from "./gateway/policies/auth/generate-http-signature.ts";
export { generateJwt, type GenerateJwtConfig, type JwtClaims } from "./gateway/policies/auth/generate-jwt.ts";
export { jws, type JwsConfig } from "./gateway/policies/auth/jws.ts";
export { clearJwsJwksCache } from "./gateway/policies/auth/jws.ts";
export { jwtAuth, type JwtAuthConfig, type Jwk } from "./gateway/policies/auth/jwt-auth.ts";
export { clearJwksCache } from "./gateway/policies/auth/jwt-auth.ts";
export { oauth2, type OAuth2Config, type TokenInfo } from "./gateway/policies/auth/oauth2.ts";
export { clearOAuth2Cache } from "./gateway/policies/auth/oauth2.ts";
export { rbac, type RbacConfig } from "./gateway/policies/auth/rbac.ts";
export { verifyHttpSignature, type VerifyHttpSignatureConfig, type SignatureAlgorithm, type VerificationKey } from "./gateway/policies/auth/verify-http-signature.ts";
export type { Verdict } from "./gateway/policies/auth/validated.ts";
export { requestLog, type RequestLogConfig, type RequestLogEntry } from "./gateway/policies/observability/request-log.ts";
export { circuitBreaker, type CircuitBreakerConfig } from "./gateway/policies/resilience/circuit-breaker.ts";
export { retry, type RetryConfig } from "./gateway/policies/resilience/retry.ts";
export { timeout, type TimeoutConfig } from "./gateway/policies/resilience/timeout.ts";
export { mock, type MockConfig } from "./gateway/policies/testing/mock.ts";
export { cache, type CacheConfig } from "./gateway/policies/traffic/cache.ts";
export { cors, type CorsConfig } from "./gateway/policies/traffic/cors.ts";
export { rateLimit, type RateLimitConfig } from "./gateway/policies/traffic/rate-limit.ts";
export { latencyInjection, type LatencyInjectionConfig } from "./gateway/policies/resilience/latency-injection.ts";
export { adaptiveConcurrency, type AdaptiveConcurrencyConfig } from "./gateway/policies/traffic/adaptive-concurrency.ts";
export { bulkhead, type BulkheadConfig } from "./gateway/policies/traffic/bulkhead.ts";
export { concurrencyLimit, type ConcurrencyLimitConfig } from "./gateway/policies/traffic/concurrency-limit.ts";
export { dynamicRouting, type DynamicRoutingConfig, type RoutingRule } from "./gateway/policies/traffic/dynamic-routing.ts";
export { geoIpFilter, type GeoIpFilterConfig } from "./gateway/policies/traffic/geo-ip-filter.ts";
export { httpCallout, type HttpCalloutConfig } from "./gateway/policies/traffic/http-callout.ts";
export { idempotency, type IdempotencyConfig } from "./gateway/policies/traffic/idempotency.ts";
export { interrupt, type InterruptConfig } from "./gateway/policies/traffic/interrupt.ts";
export { ipFilter, type IpFilterConfig } from "./gateway/policies/traffic/ip-filter.ts";
export { jsonThreatProtection, type JsonThreatProtectionConfig } from "./gateway/policies/traffic/json-threat-protection.ts";
export { quota, type QuotaConfig, type QuotaPeriod } from "./gateway/policies/traffic/quota.ts";
export { regexThreatProtection, type RegexThreatProtectionConfig, type ThreatPattern, type ThreatTarget } from "./gateway/policies/traffic/regex-threat-protection.ts";
export { requestLimit, type RequestLimitConfig } from "./gateway/policies/traffic/request-limit.ts";
export { resourceFilter, type ResourceFilterConfig } from "./gateway/policies/traffic/resource-filter.ts";
export { sslEnforce, type SslEnforceConfig } from "./gateway/policies/traffic/ssl-enforce.ts";
export { tokenLimit, type TokenLimitConfig, type UsageSource } from "./gateway/policies/traffic/token-limit.ts";
export { trafficShadow, type TrafficShadowConfig } from "./gateway/policies/traffic/traffic-shadow.ts";
export { assignAttributes, type AssignAttributesConfig } from "./gateway/policies/transform/assign-attributes.ts";
export { assignContent, type AssignContentConfig, type ContentFields } from "./gateway/policies/transform/assign-content.ts";
export { compression, type CompressionConfig, type CompressionEncoding } from "./gateway/policies/transform/compression.ts";
export { overrideMethod, type OverrideMethodConfig } from "./gateway/policies/transform/override-method.ts";
export { proxy, type ProxyConfig } from "./gateway/policies/transform/proxy.ts";
export { requestTransform, type RequestTransformConfig } from "./gateway/policies/transform/request-transform.ts";
export { responseTransform, type ResponseTransformConfig } from "./gateway/policies/transform/response-transform.ts";
export { securityHeaders, type SecurityHeadersConfig } from "./gateway/policies/transform/security-headers.ts";
export { jsonValidation, type JsonValidationConfig } from "./gateway/policies/validation/json-validation.ts";
export { requestValidation, type RequestValidationConfig, type RequestSchemas } from "./gateway/policies/validation/request-validation.ts";
export { responseValidation, type ResponseValidationConfig } from "./gateway/policies/validation/response-validation.ts";
export type { SchemaLike, SchemaResult, ValidationIssue, ValidatorResult } from "./gateway/policies/validation/schema.ts";

export { health, type HealthConfig, type HealthStatus } from "./gateway/operation/health.ts";
export type { AdminOptions } from "./gateway/operation/admin-options.ts";
export { isDebugRequested, parseDebugRequest, setDebugHeader, type DebugHeadersOptions, type DebugRequest } from "./gateway/operation/debug-headers.ts";
export {
  InMemoryMetricsCollector, toPrometheusText, type HistogramEntry, type InMemoryMetricsOptions, type MetricTags, type MetricsCollector, type MetricsSnapshot, type TaggedValue,
} from "./gateway/operation/metrics.ts";
export { OTLPSpanExporter, type OTLPSpanExporterOptions } from "./gateway/operation/otlp-exporter.ts";
export type { MeterLike } from "./core/open-telemetry.ts";
export { consoleSink, metricsSink, openTelemetrySink, prometheusSink } from "./gateway/operation/sinks.ts";
export {
  ConsoleSpanExporter, SemConv, SpanBuilder, type ReadableSpan, type SpanAttribute, type SpanEvent, type SpanExporter, type SpanKind, type SpanStatusCode,
} from "./gateway/operation/spans.ts";
export { noopTraceReporter, type PolicyTrace, type PolicyTraceDetail, type PolicyTraceEntry, type TraceReporter } from "./gateway/operation/trace-report.ts";
export type { TracingConfig } from "./gateway/operation/tracing.ts";
export { isTraceRequested, policyTrace } from "./gateway/sdk/policy-trace.ts";
export { policyDebug } from "./gateway/sdk/policy-debug.ts";
export { timingSafeEqual } from "./gateway/timing-safe-equal.ts";
export type { Balance, BalancedTarget, BalancedUpstream, CanaryOptions, EjectionOptions, HealthCheckOptions, ServiceBindingUpstream } from "./gateway/upstreams/types.ts";

export { InMemoryCacheStore } from "./drivers/memory/cache-store.ts";
export { InMemoryCircuitBreakerStore } from "./drivers/memory/in-memory-circuit-breaker-store.ts";
export { InMemoryRateLimitStore } from "./drivers/memory/in-memory-rate-limit-store.ts";

export type {
  BoundPolicy, DebugLogger, FailMode, GatewayConfig, GatewayEvent, GatewayInstance, GatewayRegistry, HandlerUpstream, HttpMethod, Identity, LocalStores, StoreKind, StoreKinds, Next,
  PipelineConfig, Policy, PolicyContext, PolicyHandler, PolicyOptions, PolicySite, PurgeTarget, RouteConfig, StoreOptions, TrustProxy, UpstreamConfig, UrlUpstream,
} from "./gateway/types.ts";
export type { RateLimitStore } from "./state/contracts/limits.ts";
export type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitState } from "./state/contracts/circuits.ts";
export type { CacheStore } from "./state/contracts/cache.ts";
export type { GatewayAdapter } from "./state/contracts/adapter.ts";
