/** Receives webhooks: only those its sender has signed, each of them once, however often it is delivered. */
import { createGateway, idempotency, requestLimit, verifyHttpSignature } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { json, run, service } from "../support.js";

const SECRET = process.env.WEBHOOK_SECRET ?? "shared with the sender, 32 bytes or more";

let orders = 0;
const shop = await service((_request, response, body) => json(response, { order: ++orders, event: JSON.parse(body).event }, 201));

const gateway = createGateway({
  name: "webhooks",
  adapter: memoryAdapter(),
  routes: [
    {
      path: "/hooks/orders",
      methods: ["POST"],
      pipeline: {
        policies: [
          requestLimit({ maxBytes: 262_144 }),
          // The body is covered by its digest: neither it nor the event's id can be exchanged.
          verifyHttpSignature({ keys: { shop: { secret: SECRET, algorithm: "hmac-sha256" } }, requiredComponents: ["@method", "@path", "content-digest", "webhook-id"], maxAge: 300 }),
          // The same event again gets the answer of the first time; a second one while the first still runs, a 409.
          idempotency({ header: "webhook-id", required: true }),
        ],
        upstream: { type: "url", target: shop.origin },
      },
    },
  ],
});

const send = (url, ...words) => `node examples/webhooks/send.js ${url}/hooks/orders ${words.join(" ")}`;
await run(
  gateway,
  (url) => [
    [send(url, "evt_1", "paid"), '201 {"order":1,"event":"paid"}'],
    [send(url, "evt_1", "paid"), '201 {"order":1,"event":"paid"} replayed'],
    [send(url, "evt_2", "refunded"), '201 {"order":2,"event":"refunded"}'],
    [send(url, "evt_3", "paid", "--forged"), "401 signature_invalid"],
    [send(url, "evt_1", "refunded"), "422 idempotency_key_reused"],
  ],
  () => shop.stop(),
);
