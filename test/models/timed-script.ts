/** Scripts that read the server's clock, with the time as an argument in its place: a server's clock cannot be driven. */

import { sha1Hex } from "../../src/core/digest.ts";
import type { Script } from "../../src/drivers/redis/client.ts";

/** The script with `now` behind the arguments. Keys get no TTL, since the server would count it by its own clock. */
export function timed(script: Script): Script {
  const source = script.source
    .replace("local time = redis.call('TIME')\nlocal now = time[1] * 1000 + time[2] / 1000", "local time, now = { '0', '0' }, tonumber(table.remove(ARGV))")
    .replace(/, 'PX', (px|\d+|(string\.)?format\([^\n]*?\+ 1000\))/g, "");
  if (/'TIME'|'PX'/.test(source)) throw new Error("the script reads the clock in another way");
  return { source, sha: sha1Hex(source) };
}
