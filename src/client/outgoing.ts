/** One request as it leaves, in the adapter's terms. */

import type { AdapterBody, AdapterRequest } from "../core/adapter.ts";
import type { TransportTarget } from "../core/transport.ts";
import type { HookRequest } from "./config.ts";
import type { Fields } from "./fields.ts";
import type { Scope } from "./scope.ts";

export class Outgoing implements AdapterRequest, HookRequest {
  /** Parsed already, where it is known. */
  target: TransportTarget | undefined;
  readonly method: string;
  readonly headers: Fields;
  readonly body: AdapterBody;
  readonly attempt: number;
  stream = false;
  maxResponseBytes: number | undefined;
  connectTimeoutMs: number | undefined;
  idleTimeoutMs: number | undefined;
  publicOnly = false;
  /** `false` until it may have left, `true` once it was answered. */
  sent: boolean | "unknown" = false;
  onAnswer: ((status: number) => void) | undefined;
  readonly scope: Scope;
  #url: string | undefined;

  constructor(target: TransportTarget, method: string, headers: Fields, body: AdapterBody, attempt: number, scope: Scope) {
    this.target = target;
    this.method = method;
    this.headers = headers;
    this.body = body;
    this.attempt = attempt;
    this.scope = scope;
  }

  get url(): string {
    if (this.#url === undefined) {
      const { origin, pathname, search } = this.target as TransportTarget;
      this.#url = origin + pathname + search;
    }
    return this.#url;
  }

  /** Strategies and hooks may change it; the pipeline checks where it points. */
  set url(url: string) {
    this.#url = url;
    this.target = undefined;
  }

  get signal(): AbortSignal {
    return this.scope.signal;
  }

  onCancel(listener: (reason: unknown) => void): () => void {
    return this.scope.onCancel(listener);
  }

  onSending(): void {
    if (this.sent === false) this.sent = "unknown";
  }

  onHeaders(status: number): void {
    this.sent = true;
    this.onAnswer?.(status);
  }
}
