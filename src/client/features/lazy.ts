/** Each part when it is first used: for bundles of browsers, where every kilobyte is waited for. */

import { StitchError } from "../errors.ts";
import type { Features } from "./features.ts";

export const features: Features = {
  limits: () => loaded(import("./limits.ts")),
  cache: () => loaded(import("./cache.ts")),
  auth: () => loaded(import("./auth.ts")),
  streams: () => loaded(import("./streams.ts")),
  pages: () => loaded(import("../pages.ts")),
  graphql: () => loaded(import("../graphql.ts")),
  bodies: () => loaded(import("../rare-bodies.ts")),
  redirects: () => loaded(import("../redirects.ts")),
  targets: () => loaded(import("../targets.ts")),
  checks: () => loaded(import("../checks.ts")),
  templates: () => loaded(import("../rare-templates.ts")),
  guarded: () => loaded(import("../guarded.ts")),
  views: () => loaded(import("../views.ts")),
  sinks: () => loaded(import("../sink-lines.ts")),
};

/** A part, or an error that says it did not come. Nothing of a failure is kept here: who asks next asks the platform again. */
async function loaded<T>(part: Promise<T>): Promise<T> {
  try {
    return await part;
  } catch (cause) {
    throw new StitchError("LOAD_FAILED", "a part of the client did not load", { cause, retryable: true });
  }
}
