/** Every part at once: for servers, where a first call should not wait for files. */

import * as addresses from "../../core/public-address.ts";
import * as graphql from "../graphql.ts";
import * as pages from "../pages.ts";
import * as bodies from "../rare-bodies.ts";
import * as redirects from "../redirects.ts";
import * as auth from "./auth.ts";
import * as cache from "./cache.ts";
import type { Features } from "./features.ts";
import * as limits from "./limits.ts";
import * as streams from "./streams.ts";

export const features: Features = {
  limits: () => limits,
  cache: () => cache,
  auth: () => auth,
  streams: () => streams,
  pages: () => pages,
  graphql: () => graphql,
  bodies: () => bodies,
  redirects: () => redirects,
  addresses: () => addresses,
};
