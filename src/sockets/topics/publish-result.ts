/** What a publish answers. */

export type PublishErrorCode =
  | "VALIDATION" | "INVALID_TOPIC" | "ACL_PUBLISH" | "STATE" | "UNSUPPORTED" | "PAYLOAD_TOO_LARGE" | "BACKPRESSURE" | "CONNECTION_CLOSED" | "ADAPTER_ERROR";

export type PublishResult =
  | {
      readonly ok: true;
      /** Subscribers whose socket or queue accepted the frame. */
      readonly matched: number;
      /** The matching that was needed. */
      readonly capability: "exact" | "prefix" | "regex";
      /** Whether `matched` covers every process. */
      readonly reach: "local" | "cluster";
      /** Subscribers that lost this frame by policy, or were closed for it. */
      readonly dropped: number;
      /** Its place in the topic's history. */
      readonly offset?: string;
    }
  | {
      readonly ok: false;
      readonly error: PublishErrorCode;
      readonly retryable: boolean;
      readonly adapter?: string;
      readonly details?: object;
      readonly cause?: unknown;
      readonly matched: number;
    };

export interface PublishOptions {
  /** Does not send to the publishing connection, in any process. @default `topics.excludeSelfDefault` */
  readonly excludeSelf?: boolean;
  readonly signal?: AbortSignal;
  /** For adapters that partition. */
  readonly partitionKey?: string;
}

const RETRYABLE: ReadonlySet<PublishErrorCode> = /* @__PURE__ */ new Set<PublishErrorCode>(["BACKPRESSURE", "CONNECTION_CLOSED", "ADAPTER_ERROR"]);

export function publishFailure(error: PublishErrorCode, extra: { cause?: unknown; details?: object; matched?: number; adapter?: string } = {}): PublishResult {
  return { ok: false, error, retryable: RETRYABLE.has(error), matched: 0, ...extra };
}
