/** `npm start`: an upstream, a gateway in front of it, and three things to try. */
import { createGateway, requestLog } from "sluice/gateway";
import { serve } from "sluice/node";
import { gatewayConfig } from "./gateway.js";
import { chooseState } from "./state.js";
import { startUpstream } from "./upstream.js";

const upstream = await startUpstream();
const state = await chooseState(process.env);
const gateway = createGateway({ ...gatewayConfig(upstream.origin, state.adapter), policies: [requestLog({ sink: (entry) => console.log(requestLine(entry)) })] });
const server = await listen(Number(process.env.PORT ?? 8787));

console.log(`Sluice is listening on ${server.url}, in front of a service on ${upstream.origin}. State: ${state.name}.

Try these:
  for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\\n' ${server.url}/limited; done   # five times 200, then 429
  for i in 1 2; do curl -s -o /dev/null -w '%{http_code} in %{time_total}s\\n' ${server.url}/cached; done   # the second comes from the cache
  for i in 1 2 3 4; do curl -s -o /dev/null -w '%{http_code}\\n' ${server.url}/flaky; done   # three times 500, then 503: the circuit is open

Ctrl-C stops it. Requests:`);

gateway.events.on((event) => {
  if (event.type === "store.down" || event.type === "store.up") console.log(`${event.type}: ${event.store}`);
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await server.close();
    await gateway.close();
    await state.adapter.close();
    await state.close();
    upstream.stop();
  });
}

/** The port asked for, or a free one when somebody else has it. */
async function listen(port) {
  try {
    return await serve(gateway, { port });
  } catch (error) {
    if (error.code !== "EADDRINUSE" || process.env.PORT !== undefined) throw error;
    return serve(gateway, { port: 0 });
  }
}

/** One readable line per request. */
function requestLine({ timestamp, method, path, statusCode, durationMs }) {
  return `${timestamp.slice(11, 19)}  ${method.padEnd(5)} ${path.padEnd(12)} ${statusCode}  ${durationMs.toFixed(1).padStart(7)} ms`;
}
