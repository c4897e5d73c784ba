/** `mock`: answers in the place of the upstream. */

import { checkInteger, checkNonNegative } from "../../../core/check.ts";
import { sleep } from "../../../core/clock.ts";
import { OptionError } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface MockConfig extends PolicyOptions {
  /** Status of the answer. @default 200 */
  readonly status?: number;
  /** Text as it is; anything else as JSON. */
  readonly body?: unknown;
  /** Fields of the answer; `content-type` follows from `body` where it is not among them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Waits before it answers, in ms. @default 0 */
  readonly delayMs?: number;
  /** Says that a mock in production is meant, and silences the warning. @default false */
  readonly allowInProduction?: boolean;
}

interface MockState {
  warned: boolean;
  readonly text: string | null;
  readonly headers: readonly (readonly [string, string])[];
}

/** Replaces the upstream by a constant answer. It runs last, so every other policy of the route stays in force. */
export const mock: PolicyFactory<MockConfig> = /* @__PURE__ */ definePolicy<MockConfig, MockState>({
  name: "mock",
  httpOnly: true,
  priority: Priority.MOCK,
  validate(config) {
    checkInteger("status", config.status ?? 200, 200, 599);
    checkNonNegative("delayMs", config.delayMs ?? 0);
    prepare(config);
  },
  setup: prepare,
  async handler(c, _next, { config, state, site, gateway }) {
    if (config.allowInProduction !== true && !state.warned) {
      state.warned = true;
      site.events.emit({ type: "policy.warning", policy: site.policyName, message: "This policy answers in the place of the upstream; set allowInProduction when that is meant" });
    }
    gateway.upstreamGate?.();
    gateway.upstreamCalls++;
    gateway.upstreamError = undefined;
    gateway.upstreamStatus = undefined;
    const delayMs = config.delayMs ?? 0;
    if (delayMs > 0) {
      try {
        await sleep(delayMs, site.clock, gateway.signal);
      } catch (error) {
        gateway.upstreamError = error;
        throw error;
      }
    }
    const status = config.status ?? 200;
    gateway.upstreamStatus = status;
    return new Response(state.text, { status, headers: state.headers as [string, string][] });
  },
});

function prepare(config: MockConfig): MockState {
  const status = config.status ?? 200;
  const headers = new Headers();
  for (const [name, value] of Object.entries(config.headers ?? {})) {
    try {
      headers.set(name, value);
    } catch {
      throw new OptionError(`headers.${name}`, value, "a valid field name and value");
    }
  }
  const { body } = config;
  if (body === undefined || body === null || status === 204 || status === 205 || status === 304) return { warned: false, text: null, headers: [...headers] };
  if (typeof body === "string") {
    if (!headers.has("content-type")) headers.set("content-type", "text/plain; charset=utf-8");
    return { warned: false, text: body, headers: [...headers] };
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(body);
  } catch {
    text = undefined;
  }
  if (text === undefined) throw new OptionError("body", body, "a string or a value that JSON can hold");
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return { warned: false, text, headers: [...headers] };
}
