/** One request as it leaves, in the adapter's terms. */

import type { AdapterBody, AdapterRequest } from "../core/adapter.ts";
import type { TransportTarget } from "../core/transport.ts";
import type { Call } from "./call.ts";
import type { HookRequest } from "./config.ts";
import { StitchError } from "./errors.ts";
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
  /** Whose rules hold for redirects that the platform follows; set when it leaves. */
  call: Call | undefined;
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

  /**
   * A browser takes `authorization` off when it crosses origins, and nothing else; and it shows no hop. So what has rules
   * for hops, or carries another credential, is not redirected there.
   */
  get mayFollow(): boolean {
    if (this.call === undefined) return false;
    const { plan, runtime } = this.call;
    if (plan.redirect.max === 0 || plan.redirect.crossOrigin === "refuse" || runtime.config.allowHosts !== undefined || this.publicOnly) return false;
    const marked = plan.auth?.marks?.header?.toLowerCase();
    if (this.body !== null && plan.sensitive) return false;
    return !Object.keys(this.headers).some((name) => name !== "authorization" && (name === marked || plan.redactor.hidesField(name)));
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

export function originOf(request: Outgoing): string {
  return request.target === undefined ? new URL(request.url).origin : request.target.origin;
}

export function refused(why: string, status?: number): StitchError {
  return new StitchError("REDIRECT_REFUSED", `the redirect was refused: ${why}`, { sent: true, status });
}
