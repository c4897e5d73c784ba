/** Each part when it is first used: for bundles of browsers, where every kilobyte is waited for. */

import type { Features } from "./features.ts";

export const features: Features = {
  limits: () => import("./limits.ts"),
  cache: () => import("./cache.ts"),
  auth: () => import("./auth.ts"),
  streams: () => import("./streams.ts"),
  pages: () => import("../pages.ts"),
  graphql: () => import("../graphql.ts"),
  bodies: () => import("../rare-bodies.ts"),
  redirects: () => import("../redirects.ts"),
  targets: () => import("../targets.ts"),
  checks: () => import("../checks.ts"),
  templates: () => import("../rare-templates.ts"),
  guarded: () => import("../guarded.ts"),
  views: () => import("../views.ts"),
  sinks: () => import("../sink-lines.ts"),
};
