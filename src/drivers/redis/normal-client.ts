/** One form of a client for callbacks of users: ioredis-style verbs, whatever the client is. */

import { OptionError } from "../../core/errors.ts";
import { sha1Hex } from "../../core/digest.ts";
import type { RedisConnection, Script } from "./client.ts";

/**
 * The client that `setWithTTL` gets. `set` takes options in both styles that are in use, words (`"EX", 60`) and an object
 * (`{ EX: 60 }`), and they have the same effect on every client.
 */
export interface NormalRedisClient {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, ...options: readonly (string | number | Readonly<Record<string, unknown>>)[]): Promise<unknown>;
  del(...keys: string[]): Promise<number>;
  eval(script: string, numberOfKeys: number, ...keysAndArgs: (string | number)[]): Promise<unknown>;
}

const GET: Script = /* @__PURE__ */ script("local stored = redis.call('GET', KEYS[1]) return stored and 't' .. stored");
const SET: Script = /* @__PURE__ */ script("return redis.call('SET', KEYS[1], unpack(ARGV))");
const DEL: Script = /* @__PURE__ */ script("return redis.call('DEL', KEYS[1])");

export function normalClient(connection: RedisConnection): NormalRedisClient {
  return {
    async get(key) {
      const reply = await connection.evaluate(GET, [key], []);
      return reply === null || reply === undefined ? null : String(reply).slice(1);
    },
    set: (key, value, ...options) => connection.evaluate(SET, [key], [value, ...options.flatMap(words)]),
    async del(...keys) {
      const counts = await Promise.all(keys.map((key) => connection.evaluate(DEL, [key], [])));
      return counts.reduce((sum: number, count) => sum + Number(count), 0);
    },
    eval: (source, numberOfKeys, ...rest) => connection.evaluate(script(source), rest.slice(0, numberOfKeys).map(String), rest.slice(numberOfKeys).map(String)),
  };
}

function script(source: string): Script {
  return { source, sha: sha1Hex(source) };
}

/** `{ EX: 60, NX: true }` is `EX 60 NX`; node-redis also writes `{ expiration: { type: "EX", value: 60 } }`. */
function words(option: string | number | Readonly<Record<string, unknown>>): string[] {
  if (typeof option === "string" || typeof option === "number") return [String(option)];
  if (typeof option !== "object" || option === null) throw new OptionError("set options", option, "words, or an object such as { EX: 60 }");
  return Object.entries(option).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [name.toUpperCase()];
    if (typeof value === "object" && value !== null) {
      const { type, value: amount } = value as { readonly type?: unknown; readonly value?: unknown };
      return amount === undefined ? [String(type)] : [String(type), String(amount)];
    }
    return name === "condition" || name === "expiration" ? [String(value)] : [name.toUpperCase(), String(value)];
  });
}
