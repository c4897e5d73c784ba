/** Node's outgoing message, with what sends interim responses of any kind: Node itself knows three of them. */

import { STATUS_CODES, ServerResponse, type IncomingMessage } from "node:http";
import { SEND_INTERIM } from "../../core/interim-port.ts";

export class InterimServerResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  static {
    Object.defineProperty(this.prototype, SEND_INTERIM, { value: sendInterim });
  }
}

/** Hints are worth sending at once or never: a client that does not read, or whose turn has not come (pipelining), gets none. */
function sendInterim(this: ServerResponse, status: number, fields: readonly string[]): void {
  const { socket, req } = this;
  if (this.headersSent || socket === null || !socket.writable || socket.writableNeedDrain) return;
  // HTTP/1.0 has no interim responses (RFC 9110 15.2).
  if (req.httpVersionMajor === 1 && req.httpVersionMinor === 0) return;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  socket.write(`${head}\r\n`, "latin1");
}
