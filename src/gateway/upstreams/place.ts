/** Where an upstream stands, and what the gateway gives it there. */

import type { Clock } from "../../core/clock.ts";
import type { Events } from "../../core/events.ts";
import type { Random } from "../../core/random.ts";
import type { GatewayEvent } from "../types.ts";

export interface UpstreamPlace {
  /** The route in messages about wrong options. */
  readonly where: string;
  /** Methods and path of the route, in events. */
  readonly route: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events<GatewayEvent>;
  /** As in `PolicySite`. */
  readonly keep: <T>(name: string, make: () => T) => T;
}

/** One target as the admin pages show it. */
export interface TargetStatus {
  readonly url: string;
  readonly weight: number;
  readonly canary: boolean;
  readonly pending: number;
  readonly healthy: boolean;
  readonly ejected: boolean;
  /** Until an ejected one returns, in ms. */
  readonly returnsInMs: number;
}
