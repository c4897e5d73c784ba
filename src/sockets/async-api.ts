/** The messages of a router as an AsyncAPI 3 document. */

import { checkString } from "./check.ts";
import { ERROR_TYPE, RPC_ERROR_TYPE } from "./names.ts";
import type { CompiledMessage } from "./message.ts";

export interface AsyncApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}

/** A document as JSON. */
export type AsyncApiDocument = Readonly<Record<string, unknown>>;

const CHANNEL = "socket";
const NOTE = "The library of this schema gives no JSON Schema.";

export function asyncApi(descriptors: readonly CompiledMessage[], info: AsyncApiInfo): AsyncApiDocument {
  checkString("title", info?.title);
  checkString("version", info?.version);
  const messages: Record<string, unknown> = {};
  const operations: Record<string, unknown> = {};
  const reference = (name: string): object => ({ $ref: `#/channels/${CHANNEL}/messages/${pointer(name)}` });
  const add = (descriptor: CompiledMessage): string => {
    const name = key(descriptor.type);
    messages[name] = { name: descriptor.type, payload: envelope(descriptor) };
    return name;
  };
  for (const descriptor of descriptors) {
    const name = add(descriptor);
    const operation: Record<string, unknown> = { action: "receive", channel: { $ref: `#/channels/${CHANNEL}` }, messages: [reference(name)] };
    if (descriptor.response !== undefined) operation["reply"] = { channel: { $ref: `#/channels/${CHANNEL}` }, messages: [reference(add(descriptor.response)), reference(RPC_ERROR_TYPE)] };
    operations[`on_${name}`] = operation;
  }
  for (const type of [ERROR_TYPE, RPC_ERROR_TYPE]) messages[type] = { name: type, payload: errorEnvelope(type) };
  operations["send_errors"] = { action: "send", channel: { $ref: `#/channels/${CHANNEL}` }, messages: [reference(ERROR_TYPE)] };
  return {
    asyncapi: "3.0.0",
    info: { title: info.title, version: info.version, ...(info.description === undefined ? {} : { description: info.description }) },
    defaultContentType: "application/json",
    channels: { [CHANNEL]: { address: "/", messages } },
    operations,
  };
}

/** Names of components may hold letters, digits, dots, dashes and underscores. */
function key(type: string): string {
  return type.replace(/[^A-Za-z0-9._-]/g, (char) => `_${char.charCodeAt(0).toString(16)}_`);
}

function pointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function envelope(descriptor: CompiledMessage): object {
  const schemas = descriptor.toJSONSchema();
  const part = (given: unknown, schema: Record<string, unknown> | undefined): object => (given === undefined ? {} : (clean(schema) ?? { description: NOTE }));
  const { source } = descriptor;
  return {
    type: "object",
    required: ["type", ...(source.payload === undefined ? [] : ["payload"])],
    properties: {
      type: { const: descriptor.type },
      meta: source.meta === undefined ? { type: "object" } : part(source.meta, schemas.meta),
      ...(source.payload === undefined ? {} : { payload: part(source.payload, schemas.payload) }),
    },
  };
}

/** Only the root of a document names its dialect. */
function clean(schema: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  if (schema === undefined) return undefined;
  const { $schema: _dialect, ...rest } = schema;
  return rest;
}

function errorEnvelope(type: string): object {
  return {
    type: "object",
    required: ["type", "payload"],
    properties: {
      type: { const: type },
      meta: { type: "object" },
      payload: {
        type: "object",
        required: ["code", "message", "retryable"],
        properties: { code: { type: "string" }, message: { type: "string" }, details: {}, retryable: { type: "boolean" }, retryAfterMs: { type: "number" } },
      },
    },
  };
}
