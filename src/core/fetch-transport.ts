/** The transport of every runtime but Node: the platform's `fetch`. */

import { TransportError, type Transport, type TransportRequest } from "./transport.ts";

export const transport: Transport = async (request: TransportRequest): Promise<Response> => {
  void request;
  throw new TransportError("REQUEST_INVALID", "unset");
};
