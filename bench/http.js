/**
 * Load for HTTP cells: the server is the cell's own process (whose CPU is measured), the load comes from a child.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** @param {string} url what to ask for @param {{inFlight?: number, headers?: Record<string, string>}} [options] */
export async function load(url, { inFlight = 64, headers = {}, keys = 0 } = {}) {
  const child = fork(fileURLToPath(new URL("http-load.js", import.meta.url)), [url, String(inFlight), JSON.stringify(headers), String(keys)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const waves = [];
  child.on("message", (message) => {
    for (const latency of message.latencies) recorded.push(latency);
    waves.shift()(message);
  });
  const recorded = [];
  return {
    run: (count) =>
      new Promise((resolve, reject) => {
        waves.push((message) => (message.error === undefined ? resolve() : reject(new Error(message.error))));
        child.send(count);
      }),
    latencies: () => recorded,
    stop: () => child.disconnect(),
  };
}

/** An upstream in a process of its own, so that its work is not counted. Resolves with its origin. */
export function upstream() {
  const child = fork(fileURLToPath(new URL("http-upstream.js", import.meta.url)), [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  return new Promise((resolve) => child.once("message", (port) => resolve({ origin: `http://127.0.0.1:${port}`, stop: () => child.disconnect() })));
}
