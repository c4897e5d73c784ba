/** AWS Signature Version 4 ("Signing AWS API requests", AWS General Reference) on WebCrypto. The bytes that are signed are the bytes that are sent. */

import { encodeText } from "../../core/codec.ts";
import { parseHttpDate } from "../../core/http-date.ts";
import { StitchError, checked, configError } from "../errors.ts";
import { checkString } from "../../core/check.ts";
import type { HookRequest } from "../config.ts";
import type { AuthStrategy } from "./strategy.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface AwsSigV4Options {
  readonly region: string;
  readonly service: string;
  readonly credentials: AwsCredentials | ((context: { readonly signal: AbortSignal; readonly principal: string | undefined }) => AwsCredentials | Promise<AwsCredentials>);
  /** Hash of the body in the signature; `false` is S3's `UNSIGNED-PAYLOAD`. @default true */
  readonly signBody?: boolean;
  readonly sessionToken?: string;
  /** Names to sign beside `host` and `x-amz-*`. @default content-type */
  readonly signedHeaders?: readonly string[];
}

const UNSIGNED = "UNSIGNED-PAYLOAD";
/** What a service calls a signature made at the wrong time. S3 says it in the body alone: there the date decides. */
const SKEW_CODES = /RequestTimeTooSkewed|InvalidSignatureException|RequestExpired|SignatureDoesNotMatch/;
/** Signatures are good for this long on either side; a clock that is off by less is not why one was refused. */
const TOLERANCE_MS = 300_000;

/** @throws StitchError `CONFIG_INVALID` */
export function awsSigV4(options: AwsSigV4Options): AuthStrategy {
  const region = checked("awsSigV4", () => checkString("region", options?.region));
  const service = checked("awsSigV4", () => checkString("service", options.service));
  const { credentials, signBody = true, sessionToken, signedHeaders = ["content-type"] } = options;
  if (typeof credentials !== "function" && (typeof credentials?.accessKeyId !== "string" || typeof credentials.secretAccessKey !== "string")) throw configError("awsSigV4.credentials", undefined, "an object with accessKeyId and secretAccessKey, or a function that gives one");
  if (!signBody && service !== "s3") throw configError("awsSigV4.signBody", signBody, "true unless the service is s3");
  // How far the servers' clock is ahead: learned once, from an answer that refuses the time of a signature.
  let offsetMs: number | undefined;
  return {
    name: `awsSigV4(${service})`,
    marks: { header: "authorization" },
    scheme: { type: "apiKey", in: "header", name: "Authorization", "x-amazon-apigateway-authtype": "awsSigv4" },
    async apply(request, context) {
      const keys = typeof credentials === "function" ? await credentials({ signal: context.signal, principal: context.principal }) : credentials;
      context.hide(keys.secretAccessKey);
      if (keys.sessionToken !== undefined) context.hide(keys.sessionToken);
      context.memo = offsetMs;
      await sign(request, { ...keys, sessionToken: keys.sessionToken ?? sessionToken }, { region, service, signBody, signedHeaders, now: context.clock.now() + (offsetMs ?? 0) });
    },
    learn({ status, headers }, { clock }) {
      if (offsetMs !== undefined || !mayBeSkew(status)) return;
      const type = headers["x-amzn-errortype"];
      if (typeof type === "string" && !SKEW_CODES.test(type)) return;
      const date = typeof headers["date"] === "string" ? parseHttpDate(headers["date"], clock.now()) : undefined;
      if (date !== undefined && Math.abs(date - clock.now()) > TOLERANCE_MS) offsetMs = date - clock.now();
    },
    // Signed before the offset was known, by this call or by another one: signed again.
    shouldRefresh: ({ status }, { memo }) => mayBeSkew(status) && memo !== offsetMs,
    refresh: () => undefined,
  };
}

function mayBeSkew(status: number): boolean {
  return status === 403 || status === 400;
}

interface SignOptions {
  readonly region: string;
  readonly service: string;
  readonly signBody: boolean;
  readonly signedHeaders: readonly string[];
  readonly now: number;
}

/** Signs a request in place. @internal */
export async function sign(request: HookRequest, keys: AwsCredentials, options: SignOptions): Promise<void> {
  const { region, service, now } = options;
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const day = stamp.slice(0, 8);
  const url = new URL(request.url);
  const { headers } = request;
  headers["x-amz-date"] = stamp;
  if (keys.sessionToken !== undefined) headers["x-amz-security-token"] = keys.sessionToken;
  const payload = await payloadHash(request.body, options);
  if (service === "s3") headers["x-amz-content-sha256"] = payload;
  const signed: Record<string, string> = { host: url.host };
  for (const name of Object.keys(headers)) if (name.startsWith("x-amz-") || options.signedHeaders.some((each) => each.toLowerCase() === name)) signed[name] = headers[name] as string;
  const names = Object.keys(signed).sort();
  const canonicalHeaders = names.map((name) => `${name}:${(signed[name] as string).trim().replace(/ +/g, " ")}\n`).join("");
  const canonical = [request.method, canonicalPath(url.pathname, service), canonicalQuery(url.search), canonicalHeaders, names.join(";"), payload].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${await hex(canonical)}`;
  let key = await hmac(encodeText(`AWS4${keys.secretAccessKey}`), day);
  for (const part of [region, service, "aws4_request"]) key = await hmac(key, part);
  headers["authorization"] = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${toHex(await hmac(key, toSign))}`;
}

async function payloadHash(body: unknown, { service, signBody }: SignOptions): Promise<string> {
  if (!signBody) return UNSIGNED;
  if (body === null || body === undefined) return hex("");
  if (typeof body === "string") return hex(body);
  if (body instanceof Uint8Array) return hex(body);
  if (service === "s3") return UNSIGNED;
  throw new StitchError("CONFIG_INVALID", "awsSigV4: a streamed body can be signed for s3 alone", { sent: false });
}

/** S3 encodes a path once, as it is; the others encode it again and resolve dots. */
function canonicalPath(pathname: string, service: string): string {
  const encoded = pathname.split("/").map((segment) => strict(decode(segment))).join("/");
  return service === "s3" ? encoded : encoded.split("/").map(strict).join("/").replace(/\/+/g, "/");
}

function canonicalQuery(search: string): string {
  if (search === "" || search === "?") return "";
  const pairs = search.slice(1).split("&").filter((pair) => pair !== "").map((pair) => {
    const eq = pair.indexOf("=");
    return [strict(decode(eq === -1 ? pair : pair.slice(0, eq))), strict(decode(eq === -1 ? "" : pair.slice(eq + 1)))] as const;
  });
  return pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0)).map(([name, value]) => `${name}=${value}`).join("&");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** RFC 3986: unreserved characters stay, everything else is encoded. */
function strict(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function hmac(key: Uint8Array, text: string): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", key as Uint8Array<ArrayBuffer>, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, encodeText(text) as Uint8Array<ArrayBuffer>));
}

async function hex(data: string | Uint8Array): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", (typeof data === "string" ? encodeText(data) : data) as Uint8Array<ArrayBuffer>)));
}

function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
