/** Clients in twenty processes on one Redis: a shared rate, one token for a cold start, one refresh for staggered refusals. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { startRedis } from "./redis-server.js";

const PROCESSES = 20;
/** Callers per process: enough that turns are taken also while a busy machine wakes some of them late. */
const WIDTH = 15;
const PER_SECOND = 100;

/** Rows for the table of figures. */
export async function fleetFigures({ quick = false } = {}) {
  const seconds = quick ? 10 : 30;
  const upstream = await startUpstream();
  const redis = await startRedis();
  const fleet = [];
  try {
    for (let i = 0; i < PROCESSES; i++) fleet.push(fork(fileURLToPath(new URL("../test/surfaces/client-process.js", import.meta.url)), ["redis", `redis://127.0.0.1:${redis.port}`, upstream.url], { execArgv: [] }));
    await Promise.all(fleet.map(message));
    const everywhere = async (task, args) => {
      const answers = fleet.map(message);
      for (const child of fleet) child.send({ id: 1, task, args });
      return (await Promise.all(answers)).map(({ error, value }) => {
        if (error !== undefined) throw new Error(error);
        return value;
      });
    };
    await everywhere("paced", { rate: `${PER_SECOND}/s`, forMs: 1000, width: WIDTH });
    upstream.at.length = 0;
    await everywhere("paced", { rate: `${PER_SECOND}/s`, forMs: (seconds + 1) * 1000, width: WIDTH });
    const at = upstream.at.sort((a, b) => a - b);
    const within = at.filter((each) => each - at[0] < seconds * 1000).length;
    let most = 0;
    for (let i = 0, j = 0; j < at.length; j++) {
      while (at[j] - at[i] >= 1000) i++;
      most = Math.max(most, j - i + 1);
    }
    const errors = at.slice(1).map((each, i) => Math.abs(each - at[i] - 1000 / PER_SECOND)).sort((a, b) => a - b);
    const quantile = (q) => errors[Math.floor(errors.length * q)].toFixed(1);
    await everywhere("token", { calls: 1 });
    const cold = upstream.tokens;
    upstream.renew();
    await everywhere("token", { calls: 1, staggerMs: 20 });
    const wanted = seconds * PER_SECOND;
    return [
      { name: `${PROCESSES} processes share ${PER_SECOND}/s on Redis for ${seconds} s`, text: `${within} calls`, required: `${wanted} +- 1 %`, ok: Math.abs(within - wanted) <= wanted / 100, far: Math.abs(within - wanted) > wanted / 50 },
      { name: "most arrivals in any second (late ones bunch)", text: String(most), required: `${PER_SECOND + 1} granted`, ok: most <= PER_SECOND * 1.05, far: most > PER_SECOND * 1.2 },
      { name: "spacing error at the upstream, p50 and p99", text: `${quantile(0.5)} ms, ${quantile(0.99)} ms` },
      { name: `token requests of a cold start of ${PROCESSES}`, text: String(cold), required: "1", ok: cold === 1, far: cold !== 1 },
      { name: `refreshes for ${PROCESSES} staggered 401s`, text: String(upstream.tokens - cold), required: "1", ok: upstream.tokens - cold === 1, far: upstream.tokens - cold !== 1 },
    ];
  } finally {
    for (const child of fleet) child.kill("SIGKILL");
    await redis.stop();
    upstream.stop();
  }
}

async function startUpstream() {
  const state = { at: [], tokens: 0, good: "token-1", renew: () => (state.good = "token-2") };
  const server = createServer((request, response) => {
    request.resume();
    const json = (value, status = 200) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (request.url === "/paced") {
      state.at.push(performance.now());
      return json(1);
    }
    if (request.url === "/token") {
      state.tokens++;
      return setTimeout(() => json({ access_token: state.good, token_type: "Bearer", expires_in: 3600 }), 50);
    }
    return json(1, request.headers.authorization === `Bearer ${state.good}` ? 200 : 401);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}`, stop() {
    server.closeAllConnections();
    server.close();
  } });
}

function message(child) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`a process of the fleet ended with code ${code}`));
    child.once("exit", ended);
    child.once("message", (answer) => {
      child.off("exit", ended);
      resolve(answer);
    });
  });
}
