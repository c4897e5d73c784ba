/** Where an attempt goes, and with which token. */

import type { ClientOptions } from "./client-types.ts";

export interface Target {
  readonly url: string;
  readonly protocols: string[];
  readonly headers: Record<string, string> | undefined;
}

/** Asks for the URL and a fresh token. `onFailure` hears of a token that could not be had. */
export async function targetOf(options: ClientOptions, onFailure: (error: unknown) => void): Promise<Target> {
  const { url: given, auth, protocols: extra = [] } = options;
  let url = typeof given === "function" ? await given() : given;
  const protocols = ["sluice.v1+json", ...extra];
  let headers: Record<string, string> | undefined;
  if (auth !== undefined) {
    let token: string | undefined;
    try {
      token = await auth.getToken();
    } catch (error) {
      onFailure(error);
      throw error;
    }
    if (token !== undefined) {
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
  return { url, protocols, headers };
}
