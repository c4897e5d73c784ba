/** OAuth 2 (RFC 6749, with the practice of RFC 9700): tokens fetched, kept, and renewed once for the whole fleet. */

import * as oauth from "oauth4webapi";
import { checkNonNegative, checkOneOf } from "../../core/check.ts";
import { joinKey } from "../../core/keys.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { StitchError, checked, configError } from "../errors.ts";
import { statusSet } from "../option-table.ts";
import { checkSecret, resolveSecret, type AuthContext, type AuthStrategy, type Secret } from "./strategy.ts";
import { failed, requestTokens, type TokenClient } from "./token-request.ts";
import { TokenKeeper, withToken, type Tokens } from "./tokens.ts";

export interface OAuth2Options {
  /** @default "client_credentials" */
  readonly grant?: "client_credentials" | "refresh_token" | "authorization_code";
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret?: Secret;
  /** How the client shows its secret. @default "basic" with a secret, else "none" */
  readonly clientAuth?: "basic" | "post" | "none";
  readonly scope?: string | readonly string[];
  readonly audience?: string;
  /** Further parameters of token requests. */
  readonly params?: Readonly<Record<string, string>>;
  /** The first one; rotated ones are kept in the vault. */
  readonly refreshToken?: Secret;
  /** Renewed this long before it ends, at most a quarter of its life, ms. @default 30000 */
  readonly skewMs?: number;
  /** @default 401 */
  readonly refreshOn?: readonly number[];
  /** Part of the key in the vault. @default tokenUrl, clientId and scope */
  readonly key?: string;
  /** Whose the tokens are. @default "app" */
  readonly tenancy?: "app" | "principal";
  /** Origins beside the request's own that get the token. */
  readonly origins?: readonly string[];
}

const KEYS = ["grant", "tokenUrl", "clientId", "clientSecret", "clientAuth", "scope", "audience", "params", "refreshToken", "skewMs", "refreshOn", "key", "tenancy", "origins"];

interface Setup {
  readonly strategy: AuthStrategy;
  readonly keyOf: (context: { readonly vault: AuthContext["vault"]; readonly principal: string | undefined }) => string;
  readonly client: (context: AuthContext) => MaybePromise<TokenClient>;
}

/** Bearer tokens of an authorization server. @throws StitchError `CONFIG_INVALID` */
export function oauth2(options: OAuth2Options): AuthStrategy {
  return setUp(options, []).strategy;
}

function setUp(options: OAuth2Options, more: readonly string[]): Setup {
  for (const key of Object.keys(options ?? {})) if (!KEYS.includes(key) && !more.includes(key)) throw configError(`oauth2.${key}`, undefined, "left out: it is no option");
  const { grant = "client_credentials", clientId, clientSecret, scope, audience, params = {}, refreshToken, tenancy = grant === "authorization_code" ? "principal" : "app" } = options;
  const tokenUrl = endpoint("oauth2.tokenUrl", options.tokenUrl);
  checked("oauth2", () => checkOneOf("grant", grant, ["client_credentials", "refresh_token", "authorization_code"]));
  checked("oauth2", () => checkOneOf("tenancy", tenancy, ["app", "principal"]));
  if (typeof clientId !== "string" || clientId === "") throw configError("oauth2.clientId", clientId, "a text that is not empty");
  if (clientSecret !== undefined) checkSecret("oauth2.clientSecret", clientSecret);
  if (grant === "refresh_token" && refreshToken === undefined) throw configError("oauth2.refreshToken", refreshToken, "set for this grant");
  const clientAuth = checked("oauth2", () => checkOneOf("clientAuth", options.clientAuth ?? (clientSecret === undefined ? "none" : "basic"), ["basic", "post", "none"] as const));
  const skewMs = checked("oauth2", () => checkNonNegative("skewMs", options.skewMs ?? 30_000));
  const refreshOn = checked("oauth2", () => statusSet([401])("refreshOn", options.refreshOn));
  const scopes = Array.isArray(scope) ? scope.join(" ") : (scope as string | undefined);
  const identity = options.key ?? joinKey(tokenUrl, clientId, scopes ?? "", audience ?? "");

  const client = (context: AuthContext): MaybePromise<TokenClient> => {
    if (clientSecret === undefined) return { tokenUrl, clientId, clientSecret: undefined, clientAuth };
    const secret = resolveSecret(clientSecret, context, "the client secret");
    const make = (value: string): TokenClient => ({ tokenUrl, clientId, clientSecret: value, clientAuth });
    return isPromise(secret) ? secret.then(make) : make(secret);
  };
  const keeper = new TokenKeeper(skewMs, async (context, old) => {
    const parameters = new URLSearchParams(params as Record<string, string>);
    if (scopes !== undefined) parameters.set("scope", scopes);
    if (audience !== undefined) parameters.set("audience", audience);
    const refresh = old?.refreshToken ?? (grant === "client_credentials" || refreshToken === undefined ? undefined : await resolveSecret(refreshToken, context, "the refresh token"));
    if (grant !== "client_credentials" && refresh === undefined) throw failed("invalid-credentials", "there is no refresh token: authorize first");
    parameters.set("grant_type", grant === "client_credentials" ? "client_credentials" : "refresh_token");
    if (grant !== "client_credentials") parameters.set("refresh_token", refresh as string);
    const tokens = await requestTokens(await client(context), parameters, context);
    return tokens.refreshToken === undefined && grant !== "client_credentials" ? { ...tokens, refreshToken: refresh as string } : tokens;
  });
  const keyOf: Setup["keyOf"] = ({ vault, principal }) => {
    if (tenancy === "principal" && principal === undefined) throw new StitchError("AUTH_FAILED", "the tokens are a principal's: call through seam.as(principal)", { category: "invalid-credentials", step: "apply" });
    return vault.key("oauth2", identity, tenancy === "principal" ? principal : undefined);
  };
  return {
    keyOf, client,
    strategy: {
      name: `oauth2(${grant})`, marks: { header: "authorization" }, origins: options.origins,
      scheme: { type: "oauth2", flows: flowsOf(grant, tokenUrl, scopes) },
      apply: (request, context) => withToken(keeper.get(keyOf(context), context), ({ accessToken }: Tokens) => {
        context.memo = accessToken;
        // A token another stitch fetched, or another process, is as secret here.
        context.hide(accessToken);
        request.headers["authorization"] = `Bearer ${accessToken}`;
      }),
      shouldRefresh: ({ status }) => refreshOn.has(status),
      async refresh(context) {
        await keeper.replace(keyOf(context), context, context.memo as string | undefined);
      },
    },
  };
}

function flowsOf(grant: string, tokenUrl: string, scopes: string | undefined): Record<string, unknown> {
  const flow = { tokenUrl, scopes: Object.fromEntries((scopes ?? "").split(" ").filter((scope) => scope !== "").map((scope) => [scope, ""])) };
  return grant === "client_credentials" ? { clientCredentials: flow } : { authorizationCode: { authorizationUrl: new URL("/authorize", tokenUrl).href, ...flow } };
}

export interface AuthorizationCodeOptions extends Omit<OAuth2Options, "grant"> {
  readonly authorizeUrl: string;
  readonly redirectUri: string;
  /** Checked against `iss` of the answer, where there is one. @default the origin of authorizeUrl */
  readonly issuer?: string;
}

export interface AuthorizationCode extends AuthStrategy {
  /** Where to send the user. Keep `state` and `verifier` until they come back. */
  start(): Promise<{ readonly url: string; readonly state: string; readonly verifier: string }>;
  /**
   * Checks the answer (`url` as the user came back with it, or its `code`), takes the code for tokens, and keeps them under the
   * principal. A stitch must have been declared with this strategy: its seam has the vault. Nothing to await longer than 60 s.
   */
  finish(answer: {
    readonly url?: string; readonly code?: string; readonly principal?: string;
    /** Of `start()`, kept on the server's side. */
    readonly state: string; readonly verifier: string;
  }): Promise<void>;
}

/** Authorization code with PKCE S256, always (RFC 7636, RFC 9700 2.1.1). @throws StitchError `CONFIG_INVALID` */
export function authorizationCode(options: AuthorizationCodeOptions): AuthorizationCode {
  const { authorizeUrl, redirectUri, issuer, ...rest } = options;
  endpoint("oauth2.authorizeUrl", authorizeUrl);
  const { strategy, keyOf, client } = setUp({ ...rest, grant: "authorization_code" }, []);
  let opened: Parameters<NonNullable<AuthStrategy["attach"]>>[0] | undefined;
  const scope = Array.isArray(rest.scope) ? rest.scope.join(" ") : (rest.scope as string | undefined);
  return {
    ...strategy,
    scheme: { type: "oauth2", flows: { authorizationCode: { ...(strategy.scheme as { flows: { authorizationCode: object } }).flows.authorizationCode, authorizationUrl: authorizeUrl } } },
    async start() {
      const verifier = oauth.generateRandomCodeVerifier();
      const state = oauth.generateRandomState();
      const url = new URL(authorizeUrl);
      const query: Record<string, string | undefined> = {
        response_type: "code", client_id: rest.clientId, redirect_uri: redirectUri, scope, state, audience: rest.audience,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
      };
      for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
      return { url: url.href, state, verifier };
    },
    attach(open) {
      opened = open;
    },
    async finish({ url, code, state, verifier, principal }) {
      if (opened === undefined) throw configError("authorizationCode", undefined, "the auth of a stitch before finish() is called");
      const context = await opened(principal);
      const parameters = url === undefined ? new URLSearchParams({ ...(code === undefined ? {} : { code }), state }) : new URL(url, redirectUri).searchParams;
      let taken: string | null;
      try {
        const server: oauth.AuthorizationServer = { issuer: issuer ?? new URL(authorizeUrl).origin };
        const checkedParameters = oauth.validateAuthResponse(server, { client_id: rest.clientId }, parameters, state);
        taken = checkedParameters.get("code");
      } catch (cause) {
        throw failed("protocol", "the answer of the authorization server is not the one that was asked for", { cause });
      }
      if (taken === null || taken === "") throw failed("protocol", "the answer of the authorization server holds no code");
      const body = new URLSearchParams({ grant_type: "authorization_code", code: taken, redirect_uri: redirectUri, code_verifier: verifier });
      await context.vault.write(keyOf(context), await requestTokens(await client(context), body, context));
    },
  };
}

function endpoint(option: string, url: unknown): string {
  try {
    const parsed = new URL(url as string);
    const local = parsed.hostname === "localhost" || parsed.hostname === "127.0.0.1" || parsed.hostname === "[::1]" || parsed.hostname.endsWith(".localhost");
    if ((parsed.protocol === "https:" || (parsed.protocol === "http:" && local)) && parsed.username === "" && parsed.hash === "") return parsed.href;
  } catch {
    // Told below.
  }
  throw configError(option, url, "an https URL without credentials (http only for this machine)");
}
