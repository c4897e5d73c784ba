/** Clients that send a command again when its reply was lost: what it did is done twice, and no driver can tell. */

import type { RedisConnection } from "./client.ts";

const warned: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/** Says so once per client. */
export function warnOfRepeats({ client, raw, repeats }: RedisConnection, warn: false | ((message: string) => void) | undefined): void {
  if (repeats === undefined || warn === false || typeof raw !== "object" || raw === null || warned.has(raw)) return;
  warned.add(raw);
  const message = `sluice/redis: this ${client} client sends a command again when its reply was lost, so that its effect may come twice; ${repeats} turns it off (docs/redis.md, "Clients that repeat")`;
  (warn ?? console.warn)(message);
}

interface IoredisOptions {
  readonly autoResendUnfulfilledCommands?: boolean;
  readonly retryDelayOnFailover?: number;
}

/** The option that makes ioredis send each command once, if it does not; on a cluster it is another one. */
export function repeatsOfIoredis(client: object, cluster: boolean): Pick<RedisConnection, "repeats"> {
  const options = (client as { readonly options?: IoredisOptions }).options;
  if (typeof options !== "object" || options === null) return {};
  if (cluster) return (options.retryDelayOnFailover ?? 0) > 0 ? { repeats: "retryDelayOnFailover: 0" } : {};
  return options.autoResendUnfulfilledCommands === false ? {} : { repeats: "autoResendUnfulfilledCommands: false" };
}

/** The same for `@upstash/redis`, whose `retry: false` still tries twice. What it does is known where its requester can be seen. */
export function repeatsOfUpstash(client: object): Pick<RedisConnection, "repeats"> {
  const attempts = (client as { readonly client?: { readonly retry?: { readonly attempts?: unknown } } }).client?.retry?.attempts;
  return typeof attempts === "number" && attempts > 0 ? { repeats: "retry: { retries: 0 }" } : {};
}
