/** Where the gateway's state lives: Redis or Postgres when the environment names one, else the memory of this process. */
import { memoryAdapter } from "sluice/memory";

/** @param {NodeJS.ProcessEnv} env */
export async function chooseState({ REDIS_URL, DATABASE_URL }) {
  if (REDIS_URL !== undefined) {
    const [{ Redis }, { redisAdapter }] = await Promise.all([import("ioredis"), import("sluice/redis")]);
    // A command whose reply was lost is not sent again: what it did is done.
    const client = new Redis(REDIS_URL, { autoResendUnfulfilledCommands: false });
    client.on("error", () => undefined); // The gateway says once when the store goes and comes back.
    return { name: `Redis at ${new URL(REDIS_URL).host}`, adapter: redisAdapter({ client }), close: () => client.disconnect() };
  }
  if (DATABASE_URL !== undefined) {
    const [{ default: pg }, { POSTGRES_SCHEMA_SQL, postgresAdapter }] = await Promise.all([import("pg"), import("sluice/postgres")]);
    const client = new pg.Pool({ connectionString: DATABASE_URL });
    client.on("error", () => undefined);
    await client.query(POSTGRES_SCHEMA_SQL);
    return { name: `Postgres at ${new URL(DATABASE_URL).host}`, adapter: postgresAdapter({ client }), close: () => client.end() };
  }
  return { name: "memory", adapter: memoryAdapter(), close: () => undefined };
}
