/** How a call shows who it is: the port of the strategies, and secrets that are looked up when they are needed. */

import type { Adapter } from "../../core/adapter.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { StitchError, configError } from "../errors.ts";
import type { ResponseFields } from "../fields.ts";
import type { HookRequest } from "../config.ts";
import type { Vault } from "./vault.ts";

/** A text, or how to get it. Functions are asked every time, unless wrapped by {@link secretFrom} with `ttlMs`. */
export type Secret = string | ((context: SecretContext) => string | undefined | Promise<string | undefined>);

export interface SecretContext {
  readonly signal: AbortSignal;
  readonly principal: string | undefined;
}

/** What a strategy may use. */
export interface AuthContext extends SecretContext {
  /** Where tokens are kept: the seam's `secretStore`, encrypted when it says so. */
  readonly vault: Vault;
  readonly clock: Clock;
  readonly adapter: Adapter;
  /** Name of the stitch. */
  readonly stitch: string;
  /** Masks a value wherever it turns up from now on. */
  hide(secret: string): void;
  /** An `info` event. */
  info(topic: string, detail: string): void;
  /** What `apply` of this call left for `refresh`, such as the token it used. */
  memo: unknown;
  /** A random UUID and jitter. */
  readonly random: { next(): number; uuid(): string };
  /** Keeps background work alive until `close()`. */
  background(work: Promise<unknown>): void;
}

export interface AuthResponse {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}

/** Puts credentials on requests. Make one with `bearer`, `oauth2` and others, or write your own. */
export interface AuthStrategy {
  readonly name: string;
  /** Origins beside the request's own that get the credentials when a redirect leads there. */
  readonly origins?: readonly string[];
  /** Names it writes, so that they are masked and taken off when a request leaves its origin. */
  readonly marks?: { readonly header?: string; readonly query?: string; readonly cookie?: string };
  /** An OpenAPI security scheme object, without secrets, for `toOpenApi`. */
  readonly scheme?: Readonly<Record<string, unknown>>;
  /** Runs for every try. */
  apply(request: HookRequest, context: AuthContext): MaybePromise<void>;
  /** Sees every response, redirects included. */
  learn?(response: AuthResponse, context: AuthContext): MaybePromise<void>;
  /** Whether an answer says that the credentials are no longer good. */
  shouldRefresh?(response: AuthResponse, context: AuthContext): boolean;
  /** Gets new ones. The call is then sent once more. */
  refresh?(context: AuthContext): MaybePromise<void>;
  /** Given once per stitch: opens a context outside of a call, for strategies that are told things between calls. */
  attach?(open: (principal: string | undefined) => Promise<AuthContext>): void;
  /** Checked when the stitch is made. */
  check?(facts: { readonly method: string; readonly streams: boolean }): void;
}

/** The value of a secret, checked and masked from now on. */
export function resolveSecret(secret: Secret, context: AuthContext, what: string): MaybePromise<string> {
  const found = lookUp(secret, context, what);
  return isPromise(found) ? found.then((value) => known(value, context, what)) : known(found, context, what);
}

/** The same, but nothing where there is nothing. */
export function resolveOptional(secret: Secret, context: AuthContext, what: string): MaybePromise<string | undefined> {
  const found = lookUp(secret, context, what);
  const end = (value: string | undefined): string | undefined => {
    if (value === undefined || value === "") {
      context.info("auth", `${what} is not set: nothing is sent`);
      return undefined;
    }
    return known(value, context, what);
  };
  return isPromise(found) ? found.then(end) : end(found);
}

function lookUp(secret: Secret, context: AuthContext, what: string): MaybePromise<string | undefined> {
  if (typeof secret === "string") return secret;
  try {
    const value = secret({ signal: context.signal, principal: context.principal });
    return isPromise(value) ? value.catch((cause: unknown) => failed(what, cause)) : value;
  } catch (cause) {
    return failed(what, cause);
  }
}

function failed(what: string, cause: unknown): never {
  throw new StitchError("AUTH_FAILED", `${what} could not be had`, { cause, category: "invalid-credentials", step: "apply" });
}

function known(value: unknown, context: AuthContext, what: string): string {
  if (typeof value !== "string" || value === "") throw new StitchError("AUTH_FAILED", `${what} is empty`, { category: "invalid-credentials", step: "apply" });
  context.hide(value);
  return value;
}

export function checkSecret(option: string, secret: unknown): Secret {
  if (typeof secret !== "function" && (typeof secret !== "string" || secret === "")) throw new StitchError("CONFIG_INVALID", `${option} must be a text that is not empty, or a function that gives one`);
  return secret as Secret;
}

const OPTIONAL: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/** A secret that may be missing: then nothing is sent. */
export function isOptional(secret: Secret): boolean {
  return typeof secret === "function" && OPTIONAL.has(secret);
}

/** The environment variable `name`, read at every call. A call without it fails with `AUTH_FAILED`. */
export function env(name: string): Secret {
  const read = reader(name);
  return () => {
    const value = read();
    if (value === undefined || value === "") throw new Error(`the environment variable ${name} is not set`);
    return value;
  };
}

/** The same, but without it the call goes out without credentials. */
export function optionalEnv(name: string): Secret {
  const secret = reader(name);
  OPTIONAL.add(secret);
  return secret;
}

/**
 * A secret of a store of secrets. `ttlMs` keeps it that long; without it the source is asked every time.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function secretFrom(source: { get(name: string, context: SecretContext): string | undefined | Promise<string | undefined> }, name: string, options: { readonly ttlMs?: number; readonly clock?: Clock } = {}): Secret {
  if (typeof source?.get !== "function") throw configError("source", source, "an object with get(name)");
  const { ttlMs, clock = systemClock } = options;
  if (ttlMs !== undefined && (!Number.isFinite(ttlMs) || ttlMs <= 0)) throw configError("ttlMs", ttlMs, "a number of milliseconds above 0");
  if (ttlMs === undefined) return (context) => source.get(name, context);
  const monotonic = (): number => clock.monotonic();
  let held: { readonly value: Promise<string | undefined>; readonly until: number } | undefined;
  return (context) => {
    if (held !== undefined && held.until > monotonic()) return held.value;
    const value = Promise.resolve(source.get(name, context));
    const mine = { value, until: monotonic() + ttlMs };
    held = mine;
    // A failure is not kept.
    value.catch(() => {
      if (held === mine) held = undefined;
    });
    return value;
  };
}

function reader(name: string): () => string | undefined {
  if (typeof name !== "string" || name === "") throw configError("name", name, "the name of an environment variable");
  return () => {
    const platform = globalThis as { process?: { env?: Record<string, string | undefined> }; Deno?: { env: { get(name: string): string | undefined } } };
    return platform.process?.env?.[name] ?? platform.Deno?.env.get(name);
  };
}
