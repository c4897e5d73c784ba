/** Refreshing a stale response while it is being served (RFC 5861 3). */

import type { Context } from "hono";
import { discard } from "../../../response.ts";
import { StoreFailure } from "../../../store-call.ts";
import { readBody } from "./capture.ts";
import { type Fill, type FillOwner, LOCK_MS } from "./fill.ts";
import type { Found } from "./lookup.ts";
import { conditionalRequest, declaredLength, plainRequest } from "./upstream-request.ts";

/** Asks the upstream by `run`, which no client can cancel, and stores what it says. Whoever calls it ends the fill. */
export async function refreshInBackground(owner: FillOwner & { readonly c: Context }, found: Found, fill: Fill, run: (request: Request) => Promise<Response>): Promise<void> {
  const { record, meta } = found;
  if (record === undefined || meta === undefined) return;
  const { port, state } = owner;
  const { raw } = owner.c.req;
  const request = conditionalRequest(raw, record, false) ?? plainRequest(raw);
  if (port.canLock) {
    const lock = await port.lock(found.key, LOCK_MS);
    // Another process is at it, or the store is away.
    if (lock instanceof StoreFailure || lock.kind === "wait") return;
    fill.token = { key: found.key, token: lock.token, until: owner.now + LOCK_MS };
  }
  fill.requestedAt = owner.now;
  const response = await run(request);
  fill.respondedAt = owner.now;
  const { status, headers } = response;
  if (status === 304) {
    await fill.refresh(record, meta, headers);
    discard(response);
    return;
  }
  const plan = fill.plan(status, headers);
  if (typeof plan === "string") {
    if (plan !== "status") await fill.drop();
    fill.end(status >= 500 ? "error" : "unshared");
    discard(response);
    return;
  }
  const tags = await state.tagsOf(owner.c, response, fill.urlTag);
  const fields = fill.fields(headers, plan);
  const body = await readBody(response.body, state.config.maxEntryBytes, declaredLength(headers));
  if (body instanceof Uint8Array) await fill.store(plan, status, fields, body, tags);
}
