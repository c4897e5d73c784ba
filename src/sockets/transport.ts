/** What a platform does for a connection: the whole of an adapter's duty once the socket is open. */

import type { Frame } from "./frame.ts";

export interface Transport {
  /** The runtime's own object. */
  readonly raw: unknown;
  readonly readyState: number;
  /** Bytes the runtime has not sent yet; `undefined` where it does not say. */
  readonly bufferedAmount: number | undefined;
  /** Hands a frame to the runtime, in order. Must not throw. */
  send(frame: Frame): void;
  /** The same for a topic's frame, which goes to many: it may wait for the end of the turn with others. */
  fanOut?(frame: Frame): void;
  /** Sends the close frame after everything handed over before. */
  close(code: number, reason: string): void;
  /** Drops the connection. */
  terminate(): void;
  /** Sends a protocol ping, where the runtime can. */
  ping?(): void;
  /** Monotonic instant of the last sign of life that only the runtime saw. */
  seenAt?(): number;
  /** True where the adapter calls `Connection.drained()`; else the hub looks itself from time to time. */
  readonly signalsDrain?: boolean;
  /** Set when frames wait for room, on a transport that has it: it then says so also when a write left nothing to drain. */
  wantsRoom?: boolean;
}
