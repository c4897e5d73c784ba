/** Spreading sockets over Durable Objects by name. */

import { OptionError } from "../../core/errors.ts";
import { topicToDoName } from "../../state/pubsub/topic-to-do-name.ts";

interface Namespace<Id, Stub> {
  idFromName(name: string): Id;
  get(id: Id): Stub;
}

export interface ShardOptions {
  /** Name of the binding. @default "ROUTER" */
  readonly binding?: string;
  /** Of the objects' names. @default "ws-router" */
  readonly prefix?: string;
}

function namespaceOf(env: object, binding: string): Namespace<object, { fetch(request: Request): Promise<Response> }> {
  const found = (env as Record<string, unknown>)[binding] as Namespace<object, { fetch(request: Request): Promise<Response> }> | undefined;
  if (typeof found?.idFromName !== "function") throw new OptionError(`env.${binding}`, found, "a Durable Object namespace: add the binding to the configuration of the Worker");
  return found;
}

/** The id of the object that has a topic. */
export function getShardedDoId(env: object, topic: string, shards: number, { binding = "ROUTER", prefix }: ShardOptions = {}): object {
  return namespaceOf(env, binding).idFromName(topicToDoName(topic, shards, prefix));
}

/** The object that has a topic. */
export function getShardedStub(env: object, topic: string, shards: number, options: ShardOptions = {}): { fetch(request: Request): Promise<Response> } {
  return namespaceOf(env, options.binding ?? "ROUTER").get(getShardedDoId(env, topic, shards, options));
}

/** Calls several objects; what became of each, by name. */
export async function federate<Id, Stub, T>(namespace: Namespace<Id, Stub>, names: readonly string[], call: (stub: Stub, name: string) => Promise<T>): Promise<Record<string, PromiseSettledResult<T>>> {
  const results = await Promise.allSettled(names.map(async (name) => call(namespace.get(namespace.idFromName(name)), name)));
  return Object.fromEntries(names.map((name, i) => [name, results[i] as PromiseSettledResult<T>]));
}
