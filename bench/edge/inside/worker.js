/** What the edge benchmark runs inside workerd: decisions on one key by 64 callers of one request. */
import { DurableObject } from "cloudflare:workers";
import { DurableObjectRateLimitStore, RateLimiterDO, StateDO, durableObjectRateLimiter } from "sluice/cloudflare";

export { RateLimiterDO, StateDO };

/** The floor: a counter that stores every hit, called once per decision. */
export class WriteEachHit extends DurableObject {
  #count;
  async hit() {
    this.#count = (this.#count ?? (await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", this.#count);
    return this.#count;
  }
}

const CALLERS = 64;
const WINDOW = { algorithm: "fixed-window", max: 1_000_000_000, windowMs: 3_600_000 };
let store;
let leased;

const cells = {
  "a request and a write per decision": (env) => () => env.FLOOR.get(env.FLOOR.idFromName("hot")).hit(),
  "sluice, held in memory": (env) => {
    store ??= new DurableObjectRateLimitStore(env.LIMITER, { timeoutMs: 10_000 });
    return () => store.check("hot", WINDOW, 1);
  },
  "sluice, leased": (env) => {
    leased ??= durableObjectRateLimiter(env.STATE, { capacity: 1_000_000, tokensPerSecond: 1_000_000, shards: 1, lease: { maxTokens: 100 }, timeoutMs: 10_000 });
    return () => leased.consume("hot", 1);
  },
};

export default {
  async fetch(request, env) {
    const query = new URL(request.url).searchParams;
    if (query.has("evaluate")) {
      const code = await (await env.CODE.fetch("https://code/")).text();
      // A comment of its own makes every evaluation compile anew.
      for (let i = 0; i < Number(query.get("evaluate")); i++) env.UNSAFE.eval(`${code}\n//${i} ${query.get("salt")}`);
      return new Response("evaluated");
    }
    const decide = cells[query.get("cell")](env);
    let left = Number(query.get("n"));
    await Promise.all(Array.from({ length: Math.min(Number(query.get("callers") ?? CALLERS), left) }, async () => {
      while (left-- > 0) await decide();
    }));
    return Response.json(store?.stats ?? {});
  },
};
