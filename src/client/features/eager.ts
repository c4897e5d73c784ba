/** Every part at once: for servers, where a first call should not wait for files. */

import * as checks from "../checks.ts";
import * as graphql from "../graphql.ts";
import * as guarded from "../guarded.ts";
import * as pages from "../pages.ts";
import * as bodies from "../rare-bodies.ts";
import * as redirects from "../redirects.ts";
import * as sinks from "../sink-lines.ts";
import * as templates from "../rare-templates.ts";
import * as targets from "../targets.ts";
import * as views from "../views.ts";
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
  targets: () => targets,
  checks: () => checks,
  templates: () => templates,
  guarded: () => guarded,
  views: () => views,
  sinks: () => sinks,
};
