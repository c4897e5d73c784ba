/** Checks of options that several policies have; each names the option and quotes the value. */

import { checkOneOf } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import type { FailMode } from "./types.ts";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Fields of the framing and of the connection: no policy may set them from data. */
const FRAMING: ReadonlySet<string> = new Set(["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]);

export function checkFieldName(option: string, value: unknown): string {
  if (typeof value !== "string" || !TOKEN.test(value)) throw new OptionError(option, value, "a field name");
  return value;
}

/** A field a policy fills from a request's data. */
export function checkForwardName(option: string, value: unknown): string {
  const name = checkFieldName(option, value);
  if (FRAMING.has(name.toLowerCase())) throw new OptionError(option, value, "a field name that is not about the connection");
  return name;
}

export function checkFieldValue(option: string, value: unknown): string {
  if (typeof value !== "string" || /[\u0000-\u0008\u000a-\u001f\u007f\u0100-\uffff]/.test(value)) throw new OptionError(option, value, "a field value");
  return value;
}

/** Fields with constant values. */
export function checkFields(option: string, value: unknown): void {
  checkRecord(option, value);
  for (const [name, text] of Object.entries(value as object)) {
    checkFieldName(`a name in ${option}`, name);
    checkFieldValue(`${option}.${name}`, text);
  }
}

export function checkBoolean(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") throw new OptionError(option, value, "true or false");
}

export function checkRecord(option: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new OptionError(option, value, "an object");
}

/** A list of non-empty strings; `undefined` is none. */
export function checkNames(option: string, value: unknown, least = 0): void {
  if (value === undefined && least === 0) return;
  if (!Array.isArray(value) || value.length < least || !value.every((name) => typeof name === "string" && name !== "")) {
    throw new OptionError(option, value, least > 0 ? "a list of at least one non-empty string" : "a list of non-empty strings");
  }
}

export function checkFailMode(value: unknown): FailMode {
  return checkOneOf("failMode", value, ["open", "closed", "local"]);
}

export function checkHttpUrl(option: string, value: unknown): string {
  let url: URL | undefined;
  try {
    url = new URL(value as string);
  } catch {
    // Reported below.
  }
  if (typeof value !== "string" || url === undefined || !/^https?:$/.test(url.protocol)) throw new OptionError(option, typeof value === "string" ? value.replace(/\/\/[^/@]*@/, "//***@") : value, "an absolute http or https URL");
  return value;
}
