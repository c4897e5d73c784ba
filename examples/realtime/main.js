/** A WebSocket and a stream of server-sent events behind the same login; pages of other sites get neither. */
import { WebSocketServer } from "ws";
import { apiKeyAuth, createGateway, csrf, rateLimit } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { STATUS, run, service } from "../support.js";

/** The service behind: echoes what it hears, and counts in events. */
const chat = await service((_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let n = 0;
  const timer = setInterval(() => response.write(`id: ${++n}\ndata: tick ${n}\n\n`), 50);
  response.once("close", () => clearInterval(timer));
});
const sockets = new WebSocketServer({ server: chat.server });
sockets.on("connection", (socket, request) => {
  socket.on("message", (data) => socket.send(`${request.headers["x-user"]} said ${data}`));
});

const gateway = createGateway({
  name: "chat",
  adapter: memoryAdapter(),
  // A page of another site may open a WebSocket with the user's cookies, as no preflight stops it: csrf does.
  policies: [csrf({ allowedOrigins: ["https://chat.example"] })],
  routes: [
    {
      path: "/live/*",
      methods: ["GET"],
      pipeline: {
        policies: [
          // Browsers cannot set fields on a WebSocket or an EventSource: the key comes in the query, and goes no further than here.
          apiKeyAuth({ validate: (key) => key === "adas-key", queryParam: "key", forwardKeyIdentity: { headerName: "x-user", identityFn: () => "ada" } }),
          rateLimit({ max: 20, windowSeconds: 60, keyBy: "identity" }),
        ],
        // Events pass one by one; neither silence nor their number ends a stream.
        upstream: { type: "url", target: chat.origin, idleBodyTimeoutMs: 0 },
      },
    },
  ],
});

const talk = (url, ...words) => `node examples/realtime/talk.js ${url.replace("http", "ws")}/live/socket${words.join(" ")}`;
await run(
  gateway,
  (url) => [
    [talk(url, "?key=adas-key", "hello"), "ada said hello"],
    [talk(url, "", "hello"), "refused with 401"],
    [talk(url, "?key=adas-key", "hello", "https://evil.example"), "refused with 403"],
    [`curl -sN '${url}/live/events?key=adas-key' | grep -m2 data | xargs`, "data: tick 1 data: tick 2"],
    [`${STATUS} ${url}/live/events`, "401"],
  ],
  () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    chat.stop();
  },
);
