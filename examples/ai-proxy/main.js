/** One endpoint in front of two AI providers: tokens are limited per caller, and the second provider answers when the first cannot. */
import { apiKeyAuth, createGateway, getGatewayContext, retry, tokenLimit } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { STATUS, json, run, service } from "../support.js";

/** Stands for a provider: it answers with 40 tokens, whole or as a stream, and is down while told so. */
const provider = (name, fails) =>
  service((_request, response, body) => {
    const { stream, down } = JSON.parse(body);
    if (fails && down) return json(response, { error: "overloaded" }, 503);
    const usage = { total_tokens: 40 };
    if (!stream) return json(response, { provider: name, text: "Hello!", usage });
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const data of [{ provider: name, delta: "Hel" }, { delta: "lo!" }, { usage }]) response.write(`data: ${JSON.stringify(data)}\n\n`);
    response.end("data: [DONE]\n\n");
  });
const [first, second] = [await provider("first", true), await provider("second", false)];

const gateway = createGateway({
  name: "ai",
  adapter: memoryAdapter(),
  routes: [
    {
      path: "/v1/chat",
      methods: ["POST"],
      pipeline: {
        policies: [
          apiKeyAuth({ validate: (key) => key.startsWith("team-"), stripCredentials: true }),
          // 20 are reserved beforehand; what the answer says it used is charged when its body has passed, also of a stream.
          tokenLimit({ max: 100, windowSeconds: 3600, keyBy: "identity", estimate: 20 }),
          // The prompt is kept, so that it can be sent a second time: to the other provider.
          retry({ maxRetries: 1, retryMethods: ["POST"], retryOn: [429, 500, 502, 503, 504], baseDelayMs: 1, maxReplayBytes: 262_144, budget: 1 }),
        ],
        upstream: {
          type: "url",
          target: (c) => (getGatewayContext(c).upstreamCalls > 1 ? second.origin : first.origin),
          allowOrigins: [first.origin, second.origin],
          headers: { authorization: "Bearer the-gateways-own-key" },
        },
      },
    },
  ],
});

const post = (url, team, body) => `-X POST -H 'x-api-key: team-${team}' -H 'content-type: application/json' -d '${JSON.stringify(body)}' ${url}/v1/chat`;
await run(
  gateway,
  (url) => [
    [`curl -s ${post(url, "a", {})}`, '{"provider":"first","text":"Hello!","usage":{"total_tokens":40}}'],
    [`curl -s ${post(url, "a", { down: true })}`, '{"provider":"second","text":"Hello!","usage":{"total_tokens":40}}'],
    [`curl -sN ${post(url, "a", { stream: true })} | head -1`, 'data: {"provider":"first","delta":"Hel"}'],
    [`${STATUS} ${post(url, "a", {})}`, "429"],
    [`${STATUS} ${post(url, "b", {})}`, "200"],
  ],
  () => {
    first.stop();
    second.stop();
  },
);
