/** Credentials in the query: read once, and removed before anybody else sees the URL. */

import type { Context } from "hono";
import { queryOf } from "../../path.ts";
import { replaceRequestUrl } from "../../request-edit.ts";

/** The first value of a query parameter. Every copy of it is taken out of the request's URL; the rest stays as received. */
export function takeQueryCredential(c: Context, name: string): string | undefined {
  const { url } = c.req.raw;
  const query = queryOf(url);
  if (query.length < 2) return undefined;
  let found: string | undefined;
  const kept = query.slice(1).split("&").filter((pair) => {
    const at = pair.indexOf("=");
    if (decode(at === -1 ? pair : pair.slice(0, at)) !== name) return true;
    found ??= at === -1 ? "" : decode(pair.slice(at + 1));
    return false;
  });
  if (found === undefined) return undefined;
  replaceRequestUrl(c, url.replace(query, () => (kept.length === 0 ? "" : `?${kept.join("&")}`)));
  return found;
}

function decode(text: string): string {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
