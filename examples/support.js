/** What the examples share: a service behind the gateway, and a gateway that says what to try. */
import { createServer } from "node:http";
import { serve } from "sluice/node";

/** A small HTTP service on a free port: `handler(request, response, body)`. */
export async function service(handler) {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (part) => (body += part));
    request.on("end", () => handler(request, response, body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    origin: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Answers with JSON. */
export function json(response, value, status = 200, fields = {}) {
  response.writeHead(status, { "content-type": "application/json", ...fields }).end(JSON.stringify(value));
}

/**
 * Serves `gateway` on `PORT` (8787) until a signal comes, and prints each of `tries(url)`: a command for the shell and what it
 * prints.
 */
export async function run(gateway, tries, stop = () => {}) {
  const server = await serve(gateway, { port: Number(process.env.PORT ?? 8787) });
  const lines = tries(server.url).map(([command, prints]) => `  ${command}   # → ${prints}`);
  console.log(`The gateway is listening on ${server.url}. Try these, in this order:\n\n${lines.join("\n")}\n\nCtrl-C stops it.`);
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, async () => {
      await server.close();
      await gateway.close();
      await stop();
    });
  }
}

/** `curl` that prints the status alone. */
export const STATUS = "curl -s -o /dev/null -w '%{http_code}\\n'";
