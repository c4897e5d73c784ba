/** Makes a policy: options, identity, `skip` and private state handled once, for built-in and user policies alike. */

import type { Context } from "hono";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { DebugLogger, Next, Policy, PolicyContext, PolicyOptions, PolicySite } from "./types.ts";

export interface PolicyDefinition<Config extends PolicyOptions, State> {
  /** The kind, such as `rate-limit`. */
  readonly name: string;
  /** @default 100 */
  readonly priority?: number;
  /** It can refuse a caller, so no stored response may be served before it. @default false */
  readonly guard?: boolean;
  /** See {@link Policy.preflight}. @default false */
  readonly preflight?: boolean;
  readonly defaults?: Partial<Config>;
  /** Called at construction with the resolved options; throws what is wrong with them. */
  readonly validate?: (config: Config) => void;
  /** Makes what the policy keeps between requests, once per place in a gateway. */
  readonly setup?: (config: Config, site: PolicySite) => State;
  readonly handler: (c: Context, next: Next, tools: PolicyTools<Config, State>) => MaybePromise<Response | void>;
  readonly dispose?: (state: State) => MaybePromise<void>;
}

export interface PolicyTools<Config, State> {
  readonly config: Config;
  readonly state: State;
  readonly site: PolicySite;
  readonly gateway: PolicyContext;
  /** Logger of `sluice:policy:<name>`; free when debug is off. */
  readonly debug: DebugLogger;
}

/** The factory of a policy: options are needed only where the type has required ones. */
export type PolicyFactory<Config> = Record<never, never> extends Config ? (config?: Config) => Policy : (config: Config) => Policy;

export declare function definePolicy<Config extends PolicyOptions = PolicyOptions, State = undefined>(definition: PolicyDefinition<Config, State>): PolicyFactory<Config>;
