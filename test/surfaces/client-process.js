/** One process of a fleet of clients: makes the calls it is told to, and reports when they were made. Needs `dist/`. */
import { seam, oauth2 } from "../../dist/client.js";
import { redisStore, fromIoredis } from "../../dist/redis.js";
import { postgresStore, fromPg } from "../../dist/postgres.js";

const [backend, address, upstream] = process.argv.slice(2);

async function open() {
  if (backend === "redis") {
    const { Redis } = await import("ioredis");
    const client = new Redis(address);
    return { store: redisStore(fromIoredis(client)), end: () => client.quit() };
  }
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: address, max: 4 });
  return { store: postgresStore(fromPg(pool)), end: () => pool.end() };
}

const { store, end } = await open();

const tasks = {
  /** Instants of the calls, by the wall clock of this machine. */
  async paced({ rate, forMs, width = 8 }) {
    const api = seam({ name: "paced", baseUrl: upstream, store, storeTimeoutMs: 30_000, throttle: { rate, maxWaitMs: 60_000 } });
    const call = api.stitch("/paced");
    const until = Date.now() + forMs;
    const at = [];
    await Promise.all(Array.from({ length: width }, async () => {
      while (Date.now() < until) {
        const { ok, error } = await call({ headers: { "x-sent": "1" } }).safe();
        if (!ok) throw error;
        at.push(Date.now());
      }
    }));
    await api.close();
    return at.length;
  },
  async token({ calls, staggerMs = 0 }) {
    if (staggerMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * staggerMs));
    // What is counted is exact while the store answers: a machine under load is given the time to.
    const api = seam({ name: "auth", baseUrl: upstream, store, storeTimeoutMs: 30_000, auth: oauth2({ tokenUrl: `${upstream}/token`, clientId: "c", clientSecret: "secret" }) });
    const call = api.stitch("/guarded");
    const results = await Promise.all(Array.from({ length: calls }, () => call().safe()));
    await api.close();
    return results.map((each) => (each.ok ? "ok" : `${each.error.code} ${each.error.message}`));
  },
  async cached({ calls }) {
    const api = seam({ name: "cached", baseUrl: upstream, store, storeTimeoutMs: 30_000 });
    const call = api.stitch({ name: "slow", path: "/slow", cache: { ttlMs: 60_000, coalesce: "cluster" } });
    const results = await Promise.all(Array.from({ length: calls }, () => call().safe()));
    await api.close();
    return results.map((each) => (each.ok ? each.data.n : each.error.code));
  },
  async lanes({ calls, limit }) {
    const api = seam({ name: "lanes", baseUrl: upstream, store, storeTimeoutMs: 30_000, throttle: { concurrency: limit } });
    const call = api.stitch("/lane");
    const results = await Promise.all(Array.from({ length: calls }, () => call().safe()));
    await api.close();
    return results.filter((each) => each.ok).length;
  },
};

process.on("message", async ({ id, task, args }) => {
  try {
    process.send({ id, value: await tasks[task](args) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.on("disconnect", () => void end().finally(() => process.exit(0)));
process.send({ ready: true });
