/** Scripts with bytes in both directions, on the clients that can. Both want the platform's `Buffer`; without one there is only text. */

import type { IoredisLike, NodeRedisLike, RedisConnection } from "./client.ts";
import { withReload } from "./reload.ts";

type Bytes = Pick<RedisConnection, "evaluateBytes">;

interface BufferLike {
  from(memory: ArrayBufferLike, offset: number, length: number): Uint8Array;
}

const NodeBuffer: BufferLike | undefined = (globalThis as { readonly Buffer?: BufferLike }).Buffer;

export function ioredisBytes(client: IoredisLike): Bytes {
  if (NodeBuffer === undefined || typeof client.callBuffer !== "function") return {};
  const send = (words: readonly (string | Uint8Array)[]): Promise<unknown> => client.callBuffer!(...(words as unknown as [string]));
  return {
    evaluateBytes(script, keys, args) {
      const rest = [String(keys.length), ...keys, ...args.map(asBuffer)];
      return withReload(() => send(["EVALSHA", script.sha, ...rest]), () => send(["EVAL", script.source, ...rest]));
    },
  };
}

/** The letter of bulk strings in the protocol (RESP 3, "$"): what is mapped comes as the type given. */
const BLOB_STRING = 36;

export function nodeRedisBytes(client: NodeRedisLike): Bytes {
  if (NodeBuffer === undefined || typeof client.withTypeMapping !== "function") return {};
  const mapped = client.withTypeMapping({ [BLOB_STRING]: NodeBuffer } as never) as NodeRedisLike;
  return {
    evaluateBytes(script, keys, args) {
      const options = { keys: keys as string[], arguments: args.map(asBuffer) as string[] };
      return withReload(() => mapped.evalSha(script.sha, options), () => mapped.eval(script.source, options));
    },
  };
}

/** The same memory as the type that clients know. */
function asBuffer(word: string | Uint8Array): string | Uint8Array {
  return typeof word === "string" ? word : (NodeBuffer as BufferLike).from(word.buffer, word.byteOffset, word.byteLength);
}
