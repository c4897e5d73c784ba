/** `sluice/sockets/client`: the client, for browsers and servers. */

export { RpcError } from "./sockets/rpc-error.ts";
