/** Credentials that are a text: bearer tokens, API keys, user and password. */

import { encodeText, toBase64 } from "../../core/codec.ts";
import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import { StitchError, configError } from "../errors.ts";
import { checkSecret, isOptional, resolveOptional, resolveSecret, type AuthContext, type AuthStrategy, type Secret } from "./strategy.ts";

const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/;
const LINE_OR_CONTROL = /[\u0000-\u001f\u007f]|[^\u0000-\u00ff]/;

function resolve(secret: Secret, context: AuthContext, what: string): MaybePromise<string | undefined> {
  return isOptional(secret) ? resolveOptional(secret, context, what) : resolveSecret(secret, context, what);
}

function malformed(what: string): StitchError {
  return new StitchError("AUTH_FAILED", `${what} holds characters that no such credential has`, { category: "invalid-credentials", step: "apply" });
}

/** `Authorization: Bearer …` (RFC 6750). @throws StitchError `CONFIG_INVALID` */
export function bearer(secret: Secret): AuthStrategy {
  checkSecret("bearer", secret);
  return {
    name: "bearer",
    marks: { header: "authorization" },
    scheme: { type: "http", scheme: "bearer" },
    apply: (request, context) => chain(resolve(secret, context, "the bearer token"), (token) => {
      if (token === undefined) return;
      if (!TOKEN68.test(token)) throw malformed("the bearer token");
      request.headers["authorization"] = `Bearer ${token}`;
    }),
  };
}

export interface ApiKeyOptions {
  /** @default "header" */
  readonly in?: "header" | "query" | "cookie";
  /** Name of the field, parameter or cookie. @default "X-API-Key" */
  readonly name?: string;
  readonly value: Secret;
}

/** A key in a header, a query parameter or a cookie. @throws StitchError `CONFIG_INVALID` */
export function apiKey(options: ApiKeyOptions): AuthStrategy {
  const { in: place = "header", name = "X-API-Key", value } = options;
  if (place !== "header" && place !== "query" && place !== "cookie") throw configError("apiKey.in", place, '"header", "query" or "cookie"');
  if (typeof name !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw configError("apiKey.name", name, "a name of token characters");
  checkSecret("apiKey.value", value);
  const header = name.toLowerCase();
  return {
    name: `apiKey(${place})`,
    marks: place === "header" ? { header } : place === "query" ? { query: name } : { header: "cookie" },
    scheme: { type: "apiKey", in: place, name },
    apply: (request, context) => chain(resolve(value, context, "the API key"), (key) => {
      if (key === undefined) return;
      if (LINE_OR_CONTROL.test(key)) throw malformed("the API key");
      if (place === "header") request.headers[header] = key;
      else if (place === "cookie") {
        if (/[;,\s"\\]/.test(key)) throw malformed("the API key");
        const others = request.headers["cookie"];
        request.headers["cookie"] = others === undefined ? `${name}=${key}` : `${others}; ${name}=${key}`;
      } else {
        const url = new URL(request.url);
        url.searchParams.set(name, key);
        request.url = url.href;
      }
    }),
  };
}

/** `Authorization: Basic …` in UTF-8 (RFC 7617). @throws StitchError `CONFIG_INVALID` */
export function basic(options: { readonly user: Secret; readonly pass: Secret }): AuthStrategy {
  checkSecret("basic.user", options?.user);
  checkSecret("basic.pass", options.pass);
  if (typeof options.user === "string" && options.user.includes(":")) throw configError("basic.user", "(not shown)", "without a colon (RFC 7617 2)");
  return {
    name: "basic",
    marks: { header: "authorization" },
    scheme: { type: "http", scheme: "basic" },
    apply: (request, context) => chain(resolveSecret(options.user, context, "the user name"), (user) => chain(resolveSecret(options.pass, context, "the password"), (pass) => {
      if (user.includes(":") || LINE_OR_CONTROL.test(user) || /[\r\n\0]/.test(pass)) throw malformed("the user name");
      const credentials = toBase64(encodeText(`${user}:${pass}`));
      context.hide(credentials);
      request.headers["authorization"] = `Basic ${credentials}`;
    })),
  };
}
