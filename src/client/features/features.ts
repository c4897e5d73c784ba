/** What a call may need beside asking. On servers it is all there at once; in a browser's bundle each part loads when it is first used. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type * as checks from "../checks.ts";
import type * as graphql from "../graphql.ts";
import type * as guarded from "../guarded.ts";
import type * as pages from "../pages.ts";
import type * as bodies from "../rare-bodies.ts";
import type * as redirects from "../redirects.ts";
import type * as sinks from "../sink-lines.ts";
import type * as templates from "../rare-templates.ts";
import type * as targets from "../targets.ts";
import type { Runtime } from "../runtime.ts";
import type * as views from "../views.ts";
import type * as auth from "./auth.ts";
import type * as cache from "./cache.ts";
import type * as limits from "./limits.ts";
import type * as streams from "./streams.ts";

export interface Features {
  limits(): MaybePromise<typeof limits>;
  cache(): MaybePromise<typeof cache>;
  auth(): MaybePromise<typeof auth>;
  streams(): MaybePromise<typeof streams>;
  pages(): MaybePromise<typeof pages>;
  graphql(): MaybePromise<typeof graphql>;
  bodies(): MaybePromise<typeof bodies>;
  redirects(): MaybePromise<typeof redirects>;
  targets(): MaybePromise<typeof targets>;
  checks(): MaybePromise<typeof checks>;
  templates(): MaybePromise<typeof templates>;
  guarded(): MaybePromise<typeof guarded>;
  views(): MaybePromise<typeof views>;
  sinks(): MaybePromise<typeof sinks>;
}

/** The parts of a runtime's calls. Everybody gets them here: whoever imported them would be imported by the parts it imports. */
export function featuresOf(runtime: Runtime): Features {
  return runtime["features"];
}
