/** A new version gets a share of the callers, keeps those it has as the share grows, and takes over without a restart. */
import { apiKeyAuth, createGateway } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { run, service } from "../support.js";

const blue = await service((_request, response) => response.end("blue\n"));
const green = await service((_request, response) => response.end("green\n"));

const config = (percent) => ({
  name: "shop",
  adapter,
  routes: [
    {
      path: "/shop/*",
      methods: ["GET"],
      pipeline: {
        upstream: {
          type: "balanced",
          targets: [{ url: blue.origin, weight: percent === 100 ? 0 : 1 }, { url: green.origin, canary: true }],
          // One caller always lands on the same side. In production: something that stays, such as a session or a user id.
          canary: { percent, stickyBy: (c) => c.req.header("x-user") },
          ejection: { consecutiveFailures: 3, baseMs: 10_000 },
        },
      },
    },
    {
      // How a release tool moves the share: everything that was checked stays up when the new configuration is wrong.
      path: "/release/:percent",
      methods: ["POST"],
      pipeline: {
        policies: [apiKeyAuth({ validate: (key) => key === "release-key" })],
        upstream: {
          type: "handler",
          async handler(c) {
            await gateway.update(config(Number(c.req.param("percent"))));
            return c.text(`${c.req.param("percent")} % green\n`);
          },
        },
      },
    },
  ],
});

const adapter = memoryAdapter();
const gateway = createGateway(config(0));

const crowd = (url) => `for i in $(seq 40); do curl -s -H "x-user: user-$i" ${url}/shop/; done`;
const release = (url, percent) => `curl -s -X POST -H 'x-api-key: release-key' ${url}/release/${percent}`;
await run(
  gateway,
  (url) => [
    [`${crowd(url)} | sort | uniq -c | xargs`, "40 blue"],
    [release(url, 25), "25 % green"],
    [`for i in 1 2 3 4 5; do curl -s -H 'x-user: ada' ${url}/shop/; done | sort -u | wc -l | xargs`, "1"],
    [`${crowd(url)} > /tmp/sluice-at-25; sort /tmp/sluice-at-25 | uniq | xargs`, "blue green"],
    [release(url, 75), "75 % green"],
    [`${crowd(url)} | paste /tmp/sluice-at-25 - | awk '/green.*blue/' | wc -l | xargs`, "0"],
    [release(url, 100), "100 % green"],
    [`${crowd(url)} | sort | uniq -c | xargs`, "40 green"],
  ],
  () => {
    blue.stop();
    green.stop();
  },
);
