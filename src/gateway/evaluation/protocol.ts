/** What a policy sees and says outside HTTP: a message in phases, and a verdict with changes. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import type { TraceReporter } from "../operation/trace-report.ts";
import type { DebugLogger, Identity, PolicySite } from "../types.ts";

/** The phases of one exchange, in their order. Request phases run `onRequest`, response phases `onResponse`. */
export const PROCESSING_PHASES = ["request-headers", "request-body", "request-trailers", "response-headers", "response-body", "response-trailers"] as const;

export type ProcessingPhase = (typeof PROCESSING_PHASES)[number];

export type ProtocolType = "http" | "grpc" | "websocket";

/** One phase of an exchange. Whoever made it owns it: policies change it by mutations only. */
export interface PolicyInput {
  readonly phase: ProcessingPhase;
  readonly method: string;
  /** Path with its query, as received. */
  readonly path: string;
  readonly headers: Headers;
  /** Status of the response, in response phases. */
  readonly status?: number;
  readonly clientIp?: string;
  /** The whole body, in body phases. */
  readonly body?: ArrayBuffer | string;
  readonly trailers?: Headers;
  /** What policies tell each other during one exchange. */
  readonly attributes: Map<string, unknown>;
  readonly protocol: ProtocolType;
  /** The caller, once a policy has established it. */
  readonly identity?: Identity;
}

export type PolicyResult = PolicyContinue | PolicyReject | PolicyImmediateResponse;

export interface PolicyContinue {
  readonly action: "continue";
  readonly mutations?: readonly Mutation[];
}

/** An answer with a problem document. */
export interface PolicyReject {
  readonly action: "reject";
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Problem type, a registered URI. */
  readonly problemType?: string;
  /** Further members of the problem document. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** An answer that is no error. */
export interface PolicyImmediateResponse {
  readonly action: "immediate-response";
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ArrayBuffer;
}

export type Mutation = HeaderMutation | BodyMutation | StatusMutation | AttributeMutation | IdentityMutation;

export interface HeaderMutation {
  readonly type: "header";
  readonly op: "set" | "remove" | "append";
  readonly name: string;
  readonly value?: string;
}

export interface BodyMutation {
  readonly type: "body";
  readonly op: "replace" | "clear";
  readonly content?: string | ArrayBuffer;
}

/** Response phases only. */
export interface StatusMutation {
  readonly type: "status";
  readonly code: number;
}

export interface AttributeMutation {
  readonly type: "attribute";
  readonly key: string;
  readonly value: unknown;
}

export interface IdentityMutation {
  readonly type: "identity";
  readonly identity: Identity;
}

/** What the caller of `evaluate` brings. */
export interface PolicyEvalContext {
  readonly debug: DebugLogger;
  readonly trace: TraceReporter;
  readonly requestId: string;
  readonly traceId: string;
  readonly adapter?: GatewayAdapter;
}

/** A policy without HTTP around it. */
export interface PolicyEvaluator {
  readonly onRequest?: (input: PolicyInput, ctx: PolicyEvalContext) => MaybePromise<PolicyResult>;
  readonly onResponse?: (input: PolicyInput, ctx: PolicyEvalContext) => MaybePromise<PolicyResult>;
}

/** What `evaluate` of a definition gets beside the input. */
export interface EvaluateTools<Config, State> extends PolicyEvalContext {
  readonly config: Config;
  readonly state: State;
  readonly site: PolicySite;
}

/** The decision of a policy, as its definition gives it. */
export interface EvaluateDefinition<Config, State> {
  readonly onRequest?: (input: PolicyInput, tools: EvaluateTools<Config, State>) => MaybePromise<PolicyResult>;
  readonly onResponse?: (input: PolicyInput, tools: EvaluateTools<Config, State>) => MaybePromise<PolicyResult>;
}

/** The phases of a policy that names none. */
export const DEFAULT_PHASES: readonly ProcessingPhase[] = Object.freeze(["request-headers", "response-headers"]);

export const CONTINUE: PolicyContinue = Object.freeze({ action: "continue" });
