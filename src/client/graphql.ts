/** GraphQL over HTTP (draft of the GraphQL Foundation): requests as JSON, errors that come with status 200, persisted documents. */

import { sha256Hex } from "../core/digest.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import type { CallInput } from "./config.ts";
import { StitchError } from "./errors.ts";
import { operationIn } from "./graphql-document.ts";
import { prepare, type Prepared } from "./prepare.ts";

/** The request of an operation. The document travels whole, or as its hash first when it is persisted. */
export function prepareGraphql(call: Call, input: CallInput, whole = false): MaybePromise<Prepared> {
  const { config } = call.plan;
  const document = config.document as string;
  const operationName = config.operationName ?? operationIn(document);
  const fields: Record<string, unknown> = {};
  const hash = config.persisted === true ? { persistedQuery: { version: 1, sha256Hash: sha256Hex(document) } } : undefined;
  if (hash === undefined || whole) fields["query"] = document;
  if (operationName !== undefined) fields["operationName"] = operationName;
  const { variables, body: _, ...rest } = input;
  if (variables !== undefined) fields["variables"] = variables;
  if (hash !== undefined) fields["extensions"] = hash;
  if (config.useGet !== true) return prepare(call, { ...rest, variables, body: fields });
  const query: Record<string, unknown> = { ...input.query };
  for (const [name, value] of Object.entries(fields)) query[name] = typeof value === "string" ? value : JSON.stringify(value);
  return prepare(call, { ...rest, variables, query });
}

/** The data of an answer. @throws StitchError `GRAPHQL_ERRORS` */
export async function shapeGraphql(call: Call, body: unknown, answer: Answer, shape: (value: unknown) => MaybePromise<unknown>): Promise<unknown> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new StitchError("PROTOCOL_ERROR", "the answer is no GraphQL response", { status: answer.status, sent: true });
  const { data, errors } = body as { data?: unknown; errors?: unknown };
  if (Array.isArray(errors) && errors.length > 0 && (call.plan.config.partial !== true || data === undefined || data === null)) {
    throw new StitchError("GRAPHQL_ERRORS", `the operation failed with ${errors.length} error${errors.length === 1 ? "" : "s"}`, { errors, data, status: answer.status, sent: true });
  }
  call.status = answer.status;
  if (Array.isArray(errors) && errors.length > 0) call.emit({ type: "info", topic: "graphql", detail: `${errors.length} errors beside partial data` });
  return shape(call.plan.pick === undefined ? data : body);
}

/** Whether the server asks for the whole document. */
export function wantsDocument(body: unknown): boolean {
  const { errors } = (body ?? {}) as { errors?: unknown };
  if (!Array.isArray(errors)) return false;
  return errors.some((error: { message?: unknown; extensions?: { code?: unknown } }) => error?.message === "PersistedQueryNotFound" || error?.extensions?.code === "PERSISTED_QUERY_NOT_FOUND");
}
