/** What `get` and `set` of a driver keep, as an algorithm: plain bytes share bound, expiry and eviction with everything else. */

import type { Algorithm } from "../contracts/driver.ts";
import { VarintReader, corrupt, pushVarint } from "../varint.ts";

export type RawBytesCommand = { readonly type: "get" } | { readonly type: "set"; readonly bytes: Uint8Array; readonly ttlMs: number | undefined };

export interface RawBytes {
  readonly bytes: Uint8Array;
  readonly expiresAt: number | undefined;
}

/** Its replies are the bytes themselves, not a copy. */
export function rawBytesOf(maxBytes: number): Algorithm<RawBytes, RawBytesCommand, Uint8Array | undefined> {
  return Object.freeze<Algorithm<RawBytes, RawBytesCommand, Uint8Array | undefined>>({
    name: "bytes",
    version: 1,
    maxStateBytes: maxBytes + 16,
    step(state, command, now) {
      if (command.type === "get") {
        const live = state !== undefined && (state.expiresAt === undefined || now < state.expiresAt);
        return { state, reply: live ? state.bytes : undefined, expiresAt: state?.expiresAt };
      }
      const expiresAt = command.ttlMs === undefined ? undefined : Math.ceil(now + command.ttlMs);
      return { state: { bytes: command.bytes, expiresAt }, reply: undefined, expiresAt };
    },
    limiting: () => false,
    encode({ bytes, expiresAt }) {
      const head: number[] = [];
      // 0 is no deadline: one at the epoch is over whatever it says.
      pushVarint(head, expiresAt === undefined ? 0 : Math.min(Math.max(1, expiresAt), Number.MAX_SAFE_INTEGER));
      const encoded = new Uint8Array(head.length + bytes.length);
      encoded.set(head);
      encoded.set(bytes, head.length);
      return encoded;
    },
    decode(encoded) {
      if (encoded.length === 0) throw corrupt("it is empty");
      const reader = new VarintReader(encoded);
      const expiresAt = reader.next();
      return { bytes: reader.rest(), expiresAt: expiresAt === 0 ? undefined : expiresAt };
    },
  });
}
