/** `sluice/client`: typed outbound calls whose limits, sessions and cache belong to the whole fleet. */

export { isSluiceError } from "./core/errors.ts";
export type { Adapter, AdapterBody, AdapterCapabilities, AdapterHeaders, AdapterRequest, AdapterResponse } from "./core/adapter.ts";
export { fetchAdapter } from "./client/adapters.ts";
export { env, optionalEnv, secretFrom } from "./client/auth/strategy.ts";
export type { AuthContext, AuthResponse, AuthStrategy, Secret, SecretContext } from "./client/auth/strategy.ts";
export { aesGcm } from "./client/auth/vault.ts";
export type { Encryption, Vault } from "./client/auth/vault.ts";
export type * from "./client/config.ts";
export { drift } from "./client/drift.ts";
export type { DriftOptions } from "./client/drift.ts";
export { STITCH_ERROR_CODES, StitchError, isStitchError } from "./client/errors.ts";
export type { AuthFailure, Issue, Problem, StitchErrorCode, StitchErrorFacts, TimeoutPhase } from "./client/errors.ts";
export type { EventBase, EventFacts, Finding, ProgressPhase, ResultSource, SinkContext, StitchEvent, TraceSink } from "./client/events.ts";
export type { Args, CallOptions, InOf, InputOf, OutOf, OutputOf, ParamValue, ParamsOf, RawResult } from "./client/infer.ts";
export type {
  CacheOptions, CircuitOptions, FailMode, FailModes, HedgeOptions, IdempotencyOptions, RetryContext, RetryOptions, ThrottleOptions, TimeoutOptions,
} from "./client/options.ts";
export { cursor, linkHeader, offset, page } from "./client/paginate.ts";
export type { Page, PageFacts, PageLimits, PageState, Paginator } from "./client/paginate.ts";
export type { SafeResult, StitchResult } from "./client/result.ts";
export { isSeam, seam } from "./client/seam.ts";
export type { PrincipalView, Seam } from "./client/seam.ts";
export { isStitch, stitch } from "./client/stitch.ts";
export type { Inspection, Stitch } from "./client/stitch.ts";
export { apiKey, basic, bearer } from "./client/auth/simple.ts";
export type { ApiKeyOptions } from "./client/auth/simple.ts";
export { all, any, race } from "./client/compose.ts";
export type { AllOptions, Member } from "./client/compose.ts";
export { linked } from "./client/linked.ts";
export type { LinkedOptions, RunStep } from "./client/linked.ts";
export { consoleSink } from "./client/sinks/console.ts";
export type { SinkLevel } from "./client/sinks/console.ts";
export { loggerSink, multiplex } from "./client/sinks/logger.ts";
export type { LoggerLike, LoggerSinkOptions } from "./client/sinks/logger.ts";
export { sentrySink } from "./client/sinks/sentry.ts";
export type { SentryLike, SentrySinkOptions } from "./client/sinks/sentry.ts";
export { authorizationCode, oauth2 } from "./client/auth/oauth2.ts";
export type { AuthorizationCode, AuthorizationCodeOptions, OAuth2Options } from "./client/auth/oauth2.ts";
export { cookieSession } from "./client/auth/cookie-session.ts";
export type { CookieSessionOptions } from "./client/auth/cookie-session.ts";
export { awsSigV4 } from "./client/auth/sigv4.ts";
export type { AwsCredentials, AwsSigV4Options } from "./client/auth/sigv4.ts";
