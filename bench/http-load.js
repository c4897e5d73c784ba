/**
 * Asks for a URL, `inFlight` requests at a time, as often as the parent says. Any status but 200 is an error. With
 * `keys` above 0 each request carries one of that many `x-key` fields; with -1 a number is appended to the URL, so that
 * no two requests are alike.
 */
import { Pool } from "undici";

const [url, inFlight, headers, keys] = process.argv.slice(2);
const { origin, pathname, search } = new URL(url);
const pool = new Pool(origin, { connections: Number(inFlight), pipelining: 1 });
const fields = JSON.parse(headers);
let next = 0;

process.on("message", async (count) => {
  let left = count;
  const latencies = [];
  const worker = async () => {
    while (left-- > 0) {
      const began = performance.now();
      const extra = Number(keys) > 0 ? { "x-key": `key-${next++ % Number(keys)}` } : {};
      const { statusCode, body } = await pool.request({ path: Number(keys) === -1 ? `${pathname}${search}${next++}` : pathname + search, method: "GET", headers: { ...fields, ...extra } });
      await body.dump();
      if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
      if ((left & 15) === 0) latencies.push(performance.now() - began);
    }
  };
  try {
    await Promise.all(Array.from({ length: Number(inFlight) }, worker));
    process.send({ latencies });
  } catch (error) {
    process.send({ latencies, error: String(error) });
  }
});
process.on("disconnect", () => process.exit(0));
