/** `sluice/sockets/client`: the client, for browsers and servers. */

export { createClient } from "./sockets/client/client.ts";
export { ClientError, RpcError } from "./sockets/client-errors.ts";
export type { ClientEvents, ClientOptions, ClientSendResult, ClientState, Incoming, PendingCall, RequestExtras, SocketClient, WebSocketLike } from "./sockets/client/client-types.ts";
export { message, rpc } from "./sockets/message.ts";
