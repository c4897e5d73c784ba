/** Asks a policy's `skip`, which speaks of HTTP requests, also for a message that is none. */

import type { Context } from "hono";
import { HonoBase } from "hono/hono-base";
import { TrieRouter } from "hono/router/trie-router";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { callback } from "../callback.ts";
import type { PolicyOptions } from "../types.ts";
import type { PolicyInput } from "./protocol.ts";

type Skip = NonNullable<PolicyOptions["skip"]>;

/** What `skip` throws is a failure of the policy, never a check that was left out. */
export function skipOf(policyName: string, skip: Skip, input: PolicyInput): MaybePromise<boolean> {
  return callback(policyName, () => skip(contextOf(input)));
}

/** A Hono context of a request that looks like the message: method, path, header fields, attributes. */
export function contextOf(input: PolicyInput): Context {
  let context: Context | undefined;
  const app = new HonoBase({ router: new TrieRouter() }).all("*", (c) => {
    context = c;
    return c.body(null);
  });
  const host = input.headers.get("host") ?? "localhost";
  let url = `http://localhost${input.path.startsWith("/") ? "" : "/"}${input.path}`;
  if (URL.canParse(`http://${host}`)) url = url.replace("localhost", host);
  // Of methods that a request object refuses (CONNECT, TRACE) policies see GET.
  const method = /^(?:CONNECT|TRACE|TRACK)$/i.test(input.method) ? "GET" : input.method;
  void app.fetch(new Request(url, { method, headers: input.headers }));
  for (const [key, value] of input.attributes) (context as unknown as { set(key: string, value: unknown): void }).set(key, value);
  return context as unknown as Context;
}
