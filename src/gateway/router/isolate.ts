/** How an isolate finds routes: a trie alone is ready at once, where an expression over all routes pays off after thousands of requests. */

import type { Router } from "hono/router";
import { TrieRouter } from "hono/router/trie-router";

export function createRouter<T>(): Router<T> {
  return new TrieRouter();
}
