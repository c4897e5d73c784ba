/** Breaches of the protocol. */

import type { Connection } from "./connection.ts";

/** A breach of the protocol: the client hears, and too many of them close the connection. */
export function violation(connection: Connection, reason: string, correlationId: string | undefined, asRpc: boolean): void {
  connection.sendError("INVALID_ARGUMENT", reason, undefined, {}, correlationId, asRpc && correlationId !== undefined);
  connection.hub.violated(connection, reason);
}
