/** A small real service to put a gateway in front of: one plain, one slow and one unreliable answer. */
import { createServer } from "node:http";

/** Starts it on a free port of this machine. Resolves with its origin and a way to stop it. */
export async function startUpstream() {
  let calls = 0;
  const server = createServer((request, response) => {
    calls++;
    const json = (status, value) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(`${JSON.stringify({ ...value, upstreamCalls: calls })}\n`);
    };
    if (request.url?.startsWith("/slow")) setTimeout(() => json(200, { answer: "this took the upstream half a second" }), 500);
    else if (request.url?.startsWith("/flaky")) json(500, { error: "the upstream is having a bad day" });
    else json(200, { answer: "hello from the upstream" });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
