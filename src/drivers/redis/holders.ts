/** How many processes lease under a prefix, as last seen: each puts its name on a list now and then, and is off it when it was silent for long. */

import type { Clock } from "../../core/clock.ts";
import { sha1Hex } from "../../core/digest.ts";
import type { Script } from "./client.ts";

/** Between two entries of one process that leases, in ms. */
const EVERY_MS = 5000;
/** A process is on the list for this long after an entry. */
const LISTED_MS = 3 * EVERY_MS;

const SOURCE = `local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - ARGV[2]))
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])`;
const ENTER: Script = /* @__PURE__ */ (() => ({ source: SOURCE, sha: sha1Hex(SOURCE) }))();

export class Holders {
  /** Known from the first lease on. */
  count: number | undefined = undefined;
  private readonly key: string;
  private readonly name: string;
  private readonly clock: Clock;
  private readonly evaluate: (script: Script, keys: readonly string[], args: readonly string[]) => Promise<unknown>;
  private dueAt = -Infinity;

  constructor(key: string, name: string, clock: Clock, evaluate: Holders["evaluate"]) {
    this.key = key;
    this.name = name;
    this.clock = clock;
    this.evaluate = evaluate;
  }

  /** A lease is asked for. Nobody waits for the list: what is not heard leaves the count as it was. */
  leased(): void {
    const now = this.clock.monotonic();
    if (now < this.dueAt) return;
    this.dueAt = now + EVERY_MS;
    this.evaluate(ENTER, [this.key], [this.name, String(LISTED_MS)]).then((count) => {
      if (Number(count) >= 1) this.count = Number(count);
    }, () => undefined);
  }
}
