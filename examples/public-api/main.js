/** A public API: a key per customer, a limit by plan, a quota per month, and answers that say what is left. */
import { apiKeyAuth, cors, createGateway, getGatewayContext, quota, rateLimit, requestLog, securityHeaders } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { STATUS, json, run, service } from "../support.js";

/** Your table of customers. Keep digests of keys there, not the keys. */
const CUSTOMERS = new Map([
  ["free-key", { id: "ada", plan: "free" }],
  ["pro-key", { id: "grace", plan: "pro" }],
]);
const PER_MINUTE = { free: 3, pro: 600 };

const weather = await service((request, response) => json(response, { city: request.url.split("/").pop(), celsius: 21, caller: request.headers["x-customer"] }));

const gateway = createGateway({
  name: "weather-api",
  adapter: memoryAdapter(), // redisAdapter or postgresAdapter, and all instances share the counts
  policies: [requestLog({ sink: () => {} }), cors(), securityHeaders()],
  routes: [
    {
      path: "/v1/weather/:city",
      methods: ["GET"],
      pipeline: {
        policies: [
          apiKeyAuth({
            validate(key) {
              const customer = CUSTOMERS.get(key);
              return customer === undefined ? false : { id: customer.id, roles: [customer.plan] };
            },
            forwardKeyIdentity: { headerName: "x-customer", identityFn: (key) => CUSTOMERS.get(key).id },
            stripCredentials: true,
          }),
          rateLimit({ name: "minute", max: (c) => PER_MINUTE[planOf(c)], windowSeconds: 60, keyBy: "identity" }),
          quota({ max: 5, period: "month", keyBy: "identity", skip: (c) => planOf(c) !== "pro" }),
        ],
        upstream: { type: "url", target: weather.origin },
      },
    },
  ],
});

function planOf(c) {
  return getGatewayContext(c).identity.roles[0];
}

await run(
  gateway,
  (url) => [
    [`${STATUS} ${url}/v1/weather/oslo`, "401"],
    [`${STATUS} -H 'x-api-key: wrong' ${url}/v1/weather/oslo`, "403"],
    [`curl -s -H 'x-api-key: free-key' ${url}/v1/weather/oslo`, '{"city":"oslo","celsius":21,"caller":"ada"}'],
    [`for i in 1 2 3; do ${STATUS} -H 'x-api-key: free-key' ${url}/v1/weather/oslo; done | xargs`, "200 200 429"],
    [`curl -s -D - -o /dev/null -H 'x-api-key: pro-key' ${url}/v1/weather/oslo | grep -i '^x-ratelimit-remaining' | tr -d '\\r'`, "x-ratelimit-remaining: 4"],
    [`for i in 1 2 3 4 5; do ${STATUS} -H 'x-api-key: pro-key' ${url}/v1/weather/oslo; done | xargs`, "200 200 200 200 429"],
  ],
  () => weather.stop(),
);
