/** Changes the header fields of the request a pipeline works on. */

import type { Context } from "hono";

/** Some runtimes give requests whose fields cannot be changed: then the request is replaced by one with own fields. */
export function setRequestHeaders(c: Context, change: (headers: Headers) => void): void {
  const { raw } = c.req;
  try {
    raw.headers.delete("x-sluice-probe");
    change(raw.headers);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const headers = new Headers(raw.headers);
    change(headers);
    c.req.raw = new Request(raw, { headers });
  }
}
