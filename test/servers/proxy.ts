/** A TCP proxy on loopback that can lose replies, be far away, and count round trips. */

import { type Server, type Socket, connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";

export interface TcpProxy {
  readonly port: number;
  /** The next `count` replies are not delivered: the connection is reset instead, after the server has answered. */
  loseReplies(count: number): void;
  readonly lost: number;
  /**
   * Times the clients had to wait for the server, over all connections: what is sent before a reply has come back is one
   * round trip, however many commands it is. Exact where `delayMs` is longer than a client takes to send.
   */
  readonly roundTrips: number;
  close(): Promise<void>;
}

export async function startProxy(targetPort: number, { delayMs = 0 }: { delayMs?: number } = {}): Promise<TcpProxy> {
  let roundTrips = 0;
  let answered = true;
  let toLose = 0;
  let lost = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(targetPort, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    const answer = (chunk: Buffer): void => {
      answered = true;
      near.write(chunk);
    };
    near.on("data", (chunk) => {
      if (answered) roundTrips++;
      answered = false;
      far.write(chunk);
    });
    far.on("data", (chunk) => {
      if (toLose === 0) {
        if (delayMs === 0) answer(chunk);
        else setTimeout(answer, delayMs, chunk);
        return;
      }
      toLose--;
      lost++;
      near.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    loseReplies: (count) => void (toLose = count),
    get roundTrips() {
      return roundTrips;
    },
    get lost() {
      return lost;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
