/** A login session: a cookie jar (RFC 6265) per principal, filled by a login and by every answer after it. */

import { CookieJar, type SerializedCookieJar } from "tough-cookie";
import { createSingleFlight, type SingleFlight } from "../../resilience/single-flight.ts";
import { checkOneOf, checkPositive } from "../../core/check.ts";
import type { CallInput } from "../config.ts";
import { StitchError, checked, configError } from "../errors.ts";
import { statusSet } from "../option-table.ts";
import { INVOKE, isStitch, type Stitch } from "../stitch.ts";
import type { AuthContext, AuthResponse, AuthStrategy } from "./strategy.ts";

/** `In` is the input of the login. */
export type CookieSessionOptions<In = CallInput> = CookieSessionBase<In> & (
  | {
    /** Whose the sessions are. @default "principal" */
    readonly tenancy?: "principal" | undefined;
    /** Input of the login for a principal. */
    readonly credentials: (principal: string) => NoInfer<In> | Promise<NoInfer<In>>;
  }
  | {
    /** One session for everybody. */
    readonly tenancy: "app";
    /** Input of the login. The principal is that of whoever called first, if any. */
    readonly credentials: (principal: string | undefined) => NoInfer<In> | Promise<NoInfer<In>>;
  }
);

export interface CookieSessionBase<In> {
  /** The stitch that logs in. */
  readonly login: Stitch<unknown, In>;
  /** Names to keep. @default all */
  readonly cookies?: readonly string[];
  /** Statuses that mean: log in again. @default 401 */
  readonly refreshOn?: readonly number[];
  /** The same for answers that say so otherwise, such as a redirect to a login page. */
  readonly refreshWhen?: (response: AuthResponse) => boolean;
  /** A session is not used longer than this, ms. @default as long as its cookies last */
  readonly ttlMs?: number;
  /** Part of the key in the vault: sessions of the same key are one. @default "default" */
  readonly key?: string;
}

const MAX_COOKIES_PER_DOMAIN = 50;
const MAX_COOKIE_BYTES = 4096;
const LOCK_MS = 30_000;

interface Stored {
  readonly jar: SerializedCookieJar;
  readonly id: string;
}

/** @throws StitchError `CONFIG_INVALID` */
export function cookieSession<In>(options: CookieSessionOptions<In>): AuthStrategy {
  const { login, cookies, refreshWhen, ttlMs, key = "default", tenancy = "principal" } = options ?? {};
  const credentials = options?.credentials as (principal: string | undefined) => CallInput | Promise<CallInput>;
  if (!isStitch(login)) throw configError("cookieSession.login", login, "a stitch");
  if (typeof credentials !== "function") throw configError("cookieSession.credentials", credentials, "a function");
  checked("cookieSession", () => checkOneOf("tenancy", tenancy, ["app", "principal"]));
  if (ttlMs !== undefined) checked("cookieSession", () => checkPositive("ttlMs", ttlMs));
  const refreshOn = checked("cookieSession", () => statusSet([401])("refreshOn", options.refreshOn));
  const flights: SingleFlight<Stored> = createSingleFlight<Stored>();

  const keyOf = ({ vault, principal }: AuthContext): string => {
    if (tenancy === "principal" && principal === undefined) throw new StitchError("AUTH_FAILED", "the session is a principal's: call through seam.as(principal)", { category: "invalid-credentials", step: "apply" });
    return vault.key("cookies", key, tenancy === "principal" ? principal : undefined);
  };
  const read = async (context: AuthContext): Promise<Stored | undefined> => {
    const { value } = await context.vault.read(keyOf(context));
    const like = value as Partial<Stored> | undefined;
    return typeof like?.id === "string" && typeof like.jar === "object" ? (like as Stored) : undefined;
  };
  const put = async (jar: CookieJar, response: AuthResponse): Promise<boolean> => {
    const fields = response.headers["set-cookie"];
    let changed = false;
    for (const line of (typeof fields === "string" ? [fields] : (fields ?? [])).slice(0, MAX_COOKIES_PER_DOMAIN)) {
      const name = /^\s*([^=;\s]+)\s*=/.exec(line)?.[1];
      if (name === undefined || line.length > MAX_COOKIE_BYTES || (cookies !== undefined && !cookies.includes(name))) continue;
      if ((await jar.getCookies(response.url)).length >= MAX_COOKIES_PER_DOMAIN) break;
      changed = (await jar.setCookie(line, response.url, { ignoreError: true }).catch(() => undefined)) !== undefined || changed;
    }
    return changed;
  };
  const signIn = (context: AuthContext, refused: string | undefined): Promise<Stored> => flights.run(keyOf(context), async (signal) => {
    return context.vault.exclusively(keyOf(context), LOCK_MS, signal, async (_locked, lost) => {
      const known = await read(context);
      if (known !== undefined && known.id !== refused) return known;
      lost.throwIfAborted();
      const jar = new CookieJar();
      const seen: Promise<unknown>[] = [];
      const learn = (response: AuthResponse): void => void seen.push(put(jar, response));
      try {
        await login[INVOKE](await credentials(context.principal), { onAnswer: learn });
      } catch (cause) {
        throw new StitchError("AUTH_FAILED", "the login failed", { cause, category: (cause as { status?: number }).status === undefined ? "network" : "invalid-credentials", step: "refresh" });
      }
      await Promise.all(seen);
      const stored: Stored = { jar: await jar.serialize(), id: context.random.uuid() };
      if (stored.jar.cookies.length === 0) throw new StitchError("AUTH_FAILED", "the login set no cookie", { category: "protocol", step: "refresh" });
      for (const { value } of stored.jar.cookies) if (typeof value === "string") context.hide(value);
      await context.vault.write(keyOf(context), stored, ttlMs);
      return stored;
    });
  }, context.signal);

  return {
    name: "cookieSession",
    marks: { header: "cookie" },
    scheme: { type: "apiKey", in: "cookie", name: cookies?.[0] ?? "session" },
    async apply(request, context) {
      const stored = (await read(context)) ?? (await signIn(context, undefined));
      context.memo = stored.id;
      const sent = await (await CookieJar.deserialize(stored.jar)).getCookies(request.url);
      if (sent.length === 0) return;
      // A session that another stitch or process began is as secret here.
      for (const { value } of sent) context.hide(value);
      const header = sent.map((cookie) => cookie.cookieString()).join("; ");
      const own = request.headers["cookie"];
      request.headers["cookie"] = own === undefined ? header : `${own}; ${header}`;
    },
    async learn(response, context) {
      if (response.headers["set-cookie"] === undefined) return;
      const vaultKey = keyOf(context);
      // Two answers may come at once: the second reads what the first wrote.
      for (let tries = 0; tries < 5; tries++) {
        const { value, stored: raw } = await context.vault.read(vaultKey);
        if (value === undefined) return;
        const jar = await CookieJar.deserialize((value as Stored).jar);
        if (!(await put(jar, response))) return;
        if (await context.vault.replace(vaultKey, raw, { jar: await jar.serialize(), id: (value as Stored).id }, ttlMs)) return;
      }
    },
    shouldRefresh: (response) => refreshOn.has(response.status) || refreshWhen?.(response) === true,
    async refresh(context) {
      await signIn(context, context.memo as string | undefined);
    },
  };
}
