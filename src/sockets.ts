/** `sluice/sockets`: typed messages over WebSockets. */

export type { MaybePromise } from "./core/maybe-promise.ts";
export type { StandardIssue, StandardResult, StandardSchema } from "./core/standard-schema.ts";
export { OptionError, SluiceError, isSluiceError } from "./core/errors.ts";
export type { RateLimitDecision, RateLimitPolicy, RateLimiter } from "./state/contracts/limits.ts";
export type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "./state/contracts/pub-sub.ts";
export type { LogEntry, LogOptions, LogSlice, TopicHistory } from "./state/pubsub/topic-log.ts";
export type { AsyncApiDocument, AsyncApiInfo } from "./sockets/async-api.ts";
export { jsonCodec, msgpackCodec } from "./sockets/codec.ts";
export type { Codec } from "./sockets/codec.ts";
export { consoleSink } from "./sockets/console-sink.ts";
export type { ConsoleSinkOptions } from "./sockets/console-sink.ts";
export type { SinkLevel } from "./core/console-line.ts";
export { devtools } from "./sockets/devtools/devtools.ts";
export type { Devtools, DevtoolsOptions } from "./sockets/devtools/devtools.ts";
export { CloseError, SocketError, TopicError, isStandardErrorCode, standardErrorCodes, suggestedBackoffMs } from "./sockets/errors.ts";
export type { ErrorCode, ErrorOptions, ErrorPayload, StandardErrorCode, TopicErrorCode, TopicErrorDetails } from "./sockets/errors.ts";
export type { LimitKind, Logger, SocketEvent, SocketEventType } from "./sockets/events.ts";
export type { PresenceChange, PublishInfo, RouterHooks } from "./sockets/hooks.ts";
export { isMessage, message, rpc } from "./sockets/message.ts";
export type {
  AnyEvent, AnyMessage, AnyRpc, EventMessage, MessageDescriptor, MessageJsonSchema, MessageOptions, MetaInput, MetaOutput, PayloadInput, PayloadOutput, ProgressInput, ProgressOutput,
  ResponseOf, RpcMessage, RpcOptions,
} from "./sockets/message.ts";
export { socketMetrics } from "./sockets/metrics.ts";
export type { Metrics } from "./sockets/metrics.ts";
export { logging } from "./sockets/middleware/logging.ts";
export type { LoggingOptions } from "./sockets/middleware/logging.ts";
export { metrics } from "./sockets/middleware/metrics.ts";
export type { MessageMeasure, MetricsOptions } from "./sockets/middleware/metrics.ts";
export { requireAuth } from "./sockets/middleware/require-auth.ts";
export { tracing } from "./sockets/middleware/tracing.ts";
export type { TracingOptions } from "./sockets/middleware/tracing.ts";
export { otelSink } from "./sockets/otel-sink.ts";
export type { OtelSinkOptions } from "./sockets/otel-sink.ts";
export type { SpanLike, TracerLike } from "./core/open-telemetry.ts";
export type { ContextOf, MeterLike, RemoteParent } from "./sockets/telemetry.ts";
export type { BackpressureOptions, HeartbeatOptions, IdentityOptions, LimitOptions, RouterOptions, RpcLimits, SlowConsumerPolicy } from "./sockets/options.ts";
export { definePlugin } from "./sockets/plugin.ts";
export type { Plugin, PluginSpec } from "./sockets/plugin.ts";
export { keyPerConnection, keyPerIp, keyPerUser, keyPerUserPerType, rateLimit } from "./sockets/rate-limit.ts";
export type { RateLimitContext, RateLimitOptions } from "./sockets/rate-limit.ts";
export { defaultRedactedKeys, redactDetails } from "./sockets/redact.ts";
export { createRouter } from "./sockets/router.ts";
export type { ConnectionInfo, MiddlewareFor, OnOptions, OnRpcOptions, PrefixedMessages, RouteBuilder, RouteInfo, Router, RouterOf, RouterTopics, UseOptions } from "./sockets/router.ts";
export type { AuthenticateInfo, OriginOptions, ServerOptions, TrustProxy } from "./sockets/server-options.ts";
export type { HistoryEntry } from "./sockets/topics/hub-topics.ts";
export type { HistoryOptions, PresenceOptions, TopicAction, TopicActor, TopicMatch, TopicOptions } from "./sockets/topics/policy.ts";
export type { PresenceMember } from "./sockets/topics/presence.ts";
export type { PublishErrorCode, PublishOptions, PublishResult } from "./sockets/topics/publish-result.ts";
export type { TopicCallOptions, TopicChange, TopicSet, TopicStatus } from "./sockets/topics/topic-set.ts";
export type {
  ArgsOf, AuthContext, BaseContext, CloseContext, ConnectionData, ErrorContext, EventContext, Handler, KnownMeta, LimitInfo, Middleware, MiddlewareContext, Next, RpcContext, RpcHandler,
  SendArgs, SendErrorCode, SendExtras, SendResult, SocketRequest, UniformSocket,
} from "./sockets/types.ts";
export type { InputOf, OutputOf, RawShape, SchemaOrShape, Strictness } from "./sockets/validate.ts";
export { usePubSub, withPubSub } from "./sockets/with-pubsub.ts";
export type { WithPubSubOptions } from "./sockets/with-pubsub.ts";
