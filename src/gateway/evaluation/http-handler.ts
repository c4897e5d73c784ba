/** The HTTP handler of a policy that is defined by its decision alone: both give the same verdict on every input. */

import type { Context } from "hono";
import { stackless } from "../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { boundedRequestBytes } from "../collect-body.ts";
import { askForPlainAnswer, readAnswer } from "../content-coding.ts";
import { requestState } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { setRequestHeaders } from "../request-headers.ts";
import { discard } from "../response.ts";
import type { Next, PolicyContext } from "../types.ts";
import { changeHeader } from "./mutations.ts";
import { DEFAULT_PHASES, type HeaderMutation, type Mutation, type PolicyInput, type PolicyResult, type ProcessingPhase } from "./protocol.ts";

type Decide = ((input: PolicyInput, c: Context) => MaybePromise<PolicyResult>) | undefined;

/** Longest body a decision is asked about, of requests and of answers. */
const MAX_BODY_BYTES = 8 * 1_048_576;

/**
 * Asks `onRequest` before the inner layers and `onResponse` after them. Bodies are read only for policies that name a body phase: a longer
 * request is a 413 `body_too_large`, an answer that is longer or cannot be decoded a 502 `invalid_upstream_response`.
 */
export function httpHandler(phases: readonly ProcessingPhase[] | undefined, onRequest: Decide, onResponse: Decide): (c: Context, next: Next) => MaybePromise<Response | void> {
  const named = phases ?? DEFAULT_PHASES;
  const requestPhases = named.filter((phase) => phase === "request-headers" || phase === "request-body");
  const responsePhases = named.filter((phase) => phase === "response-headers" || phase === "response-body");
  const decides = onRequest !== undefined && requestPhases.length > 0;
  return (c, next) => {
    const gateway = requestState(c);
    const after = onResponse === undefined || responsePhases.length === 0 ? next : () => {
      if (responsePhases.includes("response-body")) askForPlainAnswer(c);
      return next().then(() => respond(c, gateway, onResponse, responsePhases));
    };
    if (!decides) return after();
    if (requestPhases.length > 1 || requestPhases[0] === "request-body") return ask(c, gateway, onRequest, requestPhases).then((answer): MaybePromise<Response | void> => answer ?? after());
    const result = onRequest(inputOf(c, gateway, "request-headers", undefined), c);
    const act = (found: PolicyResult): MaybePromise<Response | void> => perform(c, gateway, found, false) ?? after();
    return isPromise(result) ? result.then(act) : act(result);
  };
}

async function ask(c: Context, gateway: PolicyContext, decide: NonNullable<Decide>, phases: readonly ProcessingPhase[]): Promise<Response | undefined> {
  for (const phase of phases) {
    const body = phase === "request-body" ? bufferOf(await boundedRequestBytes(c, MAX_BODY_BYTES)) : undefined;
    const answer = perform(c, gateway, await decide(inputOf(c, gateway, phase, body), c), false);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

async function respond(c: Context, gateway: PolicyContext, decide: NonNullable<Decide>, phases: readonly ProcessingPhase[]): Promise<void> {
  for (const phase of phases) {
    const body = phase === "response-body" ? bufferOf(await answerBytes(c)) : undefined;
    const answer = perform(c, gateway, await decide(inputOf(c, gateway, phase, body), c), true);
    if (answer !== undefined) {
      c.res = undefined;
      c.res = answer;
      return;
    }
  }
}

/** The plain bytes of the answer, which stays as it came. */
async function answerBytes(c: Context): Promise<Uint8Array<ArrayBuffer>> {
  const { res } = c;
  if (res.body === null) return new Uint8Array(0);
  const { bytes, raw, why } = await readAnswer(res, MAX_BODY_BYTES);
  if (bytes === undefined) {
    discard(new Response(raw));
    throw new GatewayError(502, "invalid_upstream_response", `The upstream's answer cannot be read: ${why}`);
  }
  c.res = undefined;
  c.res = new Response(raw, { status: res.status, statusText: res.statusText, headers: res.headers });
  return bytes;
}

/** Bytes may be a view of a larger buffer. */
function bufferOf(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
}

/** The input of one phase. */
export function inputOf(c: Context, gateway: PolicyContext, phase: ProcessingPhase, body: ArrayBuffer | undefined): PolicyInput {
  const response = phase.startsWith("response");
  const { url } = c.req.raw;
  const query = url.indexOf("?");
  return {
    phase,
    method: c.req.method,
    path: query === -1 ? gateway.path : gateway.path + url.slice(query),
    headers: response ? c.res.headers : c.req.raw.headers,
    ...(response ? { status: c.res.status } : undefined),
    clientIp: gateway.clientIp,
    ...(body === undefined ? undefined : { body }),
    attributes: attributesOf(c),
    protocol: "http",
    ...(gateway.identity === undefined ? undefined : { identity: gateway.identity }),
  };
}

const ATTRIBUTES = "sluiceAttributes";

/** Attributes live as long as the request. */
function attributesOf(c: Context): Map<string, unknown> {
  const vars = c as unknown as { get(key: string): Map<string, unknown> | undefined; set(key: string, value: unknown): void };
  let attributes = vars.get(ATTRIBUTES);
  if (attributes === undefined) vars.set(ATTRIBUTES, (attributes = new Map()));
  return attributes;
}

/** Does what the verdict says; a response ends the request, `undefined` goes on. */
function perform(c: Context, gateway: PolicyContext, result: PolicyResult, response: boolean): Response | undefined {
  switch (result.action) {
    case "continue":
      if (result.mutations !== undefined && result.mutations.length > 0) mutate(c, gateway, result.mutations, response);
      return undefined;
    case "immediate-response":
      return new Response(result.body ?? null, { status: result.status, ...(result.headers === undefined ? undefined : { headers: result.headers }) });
    case "reject": {
      const { status, code, message, headers, problemType, members } = result;
      throw stackless(() => new GatewayError(status, code, message, headers, { ...(problemType === undefined ? undefined : { type: problemType }), ...(members === undefined ? undefined : { members }) }));
    }
  }
}

function mutate(c: Context, gateway: PolicyContext, mutations: readonly Mutation[], response: boolean): void {
  const fields: HeaderMutation[] = [];
  for (const mutation of mutations) {
    switch (mutation.type) {
      case "header":
        fields.push(mutation);
        break;
      case "attribute":
        attributesOf(c).set(mutation.key, mutation.value);
        (c as unknown as { set(key: string, value: unknown): void }).set(mutation.key, mutation.value);
        break;
      case "identity":
        gateway.identity = mutation.identity;
        break;
      case "status":
        if (response) replaceResponse(c, c.res.body, mutation.code);
        break;
      case "body":
        if (response) replaceResponse(c, mutation.op === "clear" ? null : (mutation.content ?? null), c.res.status);
        else replaceRequestBody(c, mutation.op === "clear" ? null : (mutation.content ?? null));
    }
  }
  if (fields.length === 0) return;
  if (response) for (const { op, name, value } of fields) changeHeader(c.res.headers, op, name, value);
  else setRequestHeaders(c, (headers) => void fields.forEach(({ op, name, value }) => changeHeader(headers, op, name, value)));
}

function replaceResponse(c: Context, body: BodyInit | null, status: number): void {
  const headers = new Headers(c.res.headers);
  if (body !== c.res.body) {
    headers.delete("content-length");
    headers.delete("content-encoding");
    c.res.body?.cancel().catch(() => {});
  }
  c.res = undefined;
  c.res = new Response(body, { status, headers });
}

function replaceRequestBody(c: Context, body: BodyInit | null): void {
  const { raw } = c.req;
  const headers = new Headers(raw.headers);
  headers.delete("content-length");
  c.req.raw = new Request(raw.url, { method: raw.method, headers, body, signal: raw.signal });
  c.req.bodyCache = {};
}
