/** The socket of a connection as handlers see it: the same on every runtime. */

import { CLOSE } from "./close-codes.ts";
import type { Connection } from "./connection.ts";
import type { UniformSocket } from "./types.ts";

export class UniformHandle implements UniformSocket {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  send(data: string | Uint8Array): void {
    this.#connection.hub.sendRaw(this.#connection, data);
  }

  close(code: number = CLOSE.normal, reason = ""): void {
    this.#connection.hub.closeByUser(this.#connection, code, reason);
  }

  get readyState(): number {
    return this.#connection.isGone ? 3 : this.#connection.isClosing ? 2 : 1;
  }

  get bufferedAmount(): number | undefined {
    return this.#connection.transport.bufferedAmount === undefined ? undefined : this.#connection.outbox.buffered;
  }

  get raw(): unknown {
    return this.#connection.transport.raw;
  }
}
