/** What a call that changed something makes untrue. */

import type { Answer } from "../answer.ts";
import type { Call } from "../call.ts";

/** An unsafe call that succeeded makes what is stored of its URL, and of what it names, untrue (RFC 9111 4.4). */
export async function dropChanged(call: Call, answer: Answer): Promise<void> {
  const urls = new Set([answer.url]);
  for (const name of ["location", "content-location"]) {
    const value = answer.get(name);
    if (value === undefined) continue;
    try {
      const url = new URL(value, answer.url);
      if (url.origin === new URL(answer.url).origin) urls.add(url.origin + url.pathname + url.search);
    } catch {
      // No URL names nothing.
    }
  }
  for (const cache of call.runtime.caches) for (const url of urls) await cache.dropUrl(call, url);
}
