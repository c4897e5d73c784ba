/** Where an attempt goes, and with which token. */

import type { ClientOptions } from "./client-types.ts";
import { type DatedToken, datedToken } from "./token.ts";

export interface Target {
  readonly url: string;
  readonly protocols: string[];
  readonly headers: Record<string, string> | undefined;
  readonly token: DatedToken | undefined;
}

/** Asks for the URL and a fresh token. `onFailure` hears of a token that could not be had. */
export async function targetOf(options: ClientOptions, onFailure: (error: unknown) => void): Promise<Target> {
  const { url: given, auth, protocols: extra = [] } = options;
  let url = typeof given === "function" ? await given() : given;
  const protocols = ["sluice.v1+json", ...extra];
  let dated: DatedToken | undefined;
  let headers: Record<string, string> | undefined;
  if (auth !== undefined) {
    try {
      const given = await auth.getToken();
      if (given !== undefined) dated = datedToken(given);
    } catch (error) {
      onFailure(error);
      throw error;
    }
    if (dated !== undefined) {
      const { token } = dated;
      const { attach = "query", queryParam = "access_token", protocolPrefix = "bearer." } = auth;
      if (attach === "protocol") protocols.push(protocolPrefix + token);
      else if (attach === "header") headers = { authorization: `Bearer ${token}` };
      else {
        const hash = url.indexOf("#");
        if (hash >= 0) url = url.slice(0, hash);
        url += `${url.includes("?") ? "&" : "?"}${encodeURIComponent(queryParam)}=${encodeURIComponent(token)}`;
      }
    }
  }
  return { url, protocols, headers, token: dated };
}
