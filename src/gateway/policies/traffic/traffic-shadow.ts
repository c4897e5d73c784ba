/** `trafficShadow`: sends a copy of requests to another place, whose answers nobody sees. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkNonNegative, checkPositive } from "../../../core/check.ts";
import { OptionError } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { fetchWithin } from "../../fetch-within.ts";
import { judgedFields } from "../../identity.ts";
import { checkBoolean, checkHttpUrl, checkNames } from "../../option-checks.ts";
import { queryOf } from "../../path.ts";
import { Priority } from "../../priority.ts";
import { discard } from "../../response.ts";
import type { PolicyOptions } from "../../types.ts";
import { capture, type Capture } from "../observability/request-log/capture.ts";
import { CONNECTION_FIELDS, nominatedFields } from "../../../core/transport.ts";

export interface TrafficShadowConfig extends PolicyOptions {
  /** Where copies go: an absolute URL, to which path and query are appended. */
  readonly target: string;
  /** Share of requests that are copied, from 0 to 100. @default 100 */
  readonly percentage?: number;
  /** Methods that are copied. @default all */
  readonly methods?: readonly string[];
  /** Copy bodies, too. @default true */
  readonly mirrorBody?: boolean;
  /** Deadline of a copy, in ms. @default 5000 */
  readonly timeout?: number;
  /** Told of copies that failed. */
  readonly onError?: (error: unknown) => void;
  /** Send `authorization`, `cookie`, other usual credentials and what auth policies of the route have read along. @default false */
  readonly forwardCredentials?: boolean;
  /** A request with a longer body is not copied. @default 1048576 */
  readonly maxBodyBytes?: number;
}

const CREDENTIALS: readonly string[] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token", "x-csrf-token", "signature", "signature-input", "x-jws-signature"];

type Tools = PolicyTools<TrafficShadowConfig, { readonly methods: ReadonlySet<string> | undefined }>;

/** Copies requests in the background. It never delays, fails or changes an answer. */
export const trafficShadow: PolicyFactory<TrafficShadowConfig> = /* @__PURE__ */ definePolicy<TrafficShadowConfig, { readonly methods: ReadonlySet<string> | undefined }>({
  name: "traffic-shadow",
  httpOnly: true,
  priority: Priority.RESPONSE_TRANSFORM,
  validate(config) {
    checkHttpUrl("target", config.target);
    if (checkNonNegative("percentage", config.percentage ?? 100) > 100) throw new OptionError("percentage", config.percentage, "a number from 0 to 100");
    if (config.methods !== undefined) checkNames("methods", config.methods, 1);
    checkBoolean("mirrorBody", config.mirrorBody);
    checkPositive("timeout", config.timeout ?? 5000);
    if (config.onError !== undefined) checkFunction("onError", config.onError);
    checkBoolean("forwardCredentials", config.forwardCredentials);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
  },
  setup: (config) => ({ methods: config.methods === undefined ? undefined : new Set(config.methods.map((method) => method.toUpperCase())) }),
  async handler(c, next, tools) {
    const { config, state, site, gateway } = tools;
    const { method } = c.req;
    // Decided before the body is touched.
    const chosen = (state.methods === undefined || state.methods.has(method)) && site.random.next() * 100 < (config.percentage ?? 100);
    if (!chosen) return next();
    const { raw } = c.req;
    const headers = copied(raw.headers, config.forwardCredentials === true);
    const url = `${config.target.replace(/[/?#]*$/, "")}${gateway.path}${queryOf(raw.url)}`;
    const seen = config.mirrorBody === false || raw.body === null || raw.bodyUsed ? undefined : watch(c, config.maxBodyBytes ?? 1_048_576);
    await next();
    const { whole, bytes } = seen?.read() ?? { whole: true, bytes: undefined };
    if (!whole) return;
    // By now every auth policy of the chain has said which fields it has gone by.
    if (config.forwardCredentials !== true) for (const name of judgedFields(gateway)) headers.delete(name);
    gateway.waitUntil(send(url, method, headers, bytes, tools));
  },
});

/** Looks at the body while it passes to the upstream. */
function watch(c: Context, limit: number): Capture {
  const { raw } = c.req;
  const seen = capture(raw.body as ReadableStream<Uint8Array>, limit);
  c.req.raw = new Request(raw, { body: seen.stream, duplex: "half" } as RequestInit);
  return seen;
}

function copied(fields: Headers, credentials: boolean): Headers {
  const headers = new Headers();
  const nominated = nominatedFields(fields.get("connection"));
  fields.forEach((value, name) => {
    if (CONNECTION_FIELDS.has(name) || nominated.includes(name) || name === "host" || name === "content-length" || name === "expect") return;
    if (!credentials && CREDENTIALS.includes(name)) return;
    headers.set(name, value);
  });
  return headers;
}

async function send(url: string, method: string, headers: Headers, bytes: Uint8Array | undefined, { config, site }: Tools): Promise<void> {
  try {
    const body = bytes === undefined || method === "GET" || method === "HEAD" ? undefined : new Uint8Array(bytes);
    await fetchWithin(url, { method, headers, ...(body === undefined ? undefined : { body }) }, { clock: site.clock, timeoutMs: config.timeout ?? 5000 }, async (response) => discard(response));
  } catch (error) {
    try {
      config.onError?.(error);
    } catch {
      // Who is told of a failure cannot cause another one.
    }
  }
}
