import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { createServer } from "node:http";
import { expect, it } from "vitest";
import { writeResponse } from "./sockets-http.ts";

it.each([["at once", 0], ["between two writes", 20]])("a client that leaves %s ends the stream", async (_when, waitMs) => {
  let cancelled = (): void => undefined;
  const ended = new Promise<void>((resolve) => void (cancelled = resolve));
  let written = 0;
  let write = (): void => undefined;
  const failures: unknown[] = [];
  const server = createServer((_request, response) => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (write = () => controller.enqueue(new Uint8Array(++written * 1000))),
      cancel: () => cancelled(),
    });
    write();
    writeResponse(new Response(body), response).catch((error: unknown) => failures.push(error));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(client, "data");
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  client.destroy();
  await ended;
  expect(failures).toEqual([]);
  server.closeAllConnections();
  server.close();
});
