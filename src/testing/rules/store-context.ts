/** What the rules on a key-value store are given, and what a caller may add for them. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { StitchStore } from "../../state/contracts/key-value.ts";
import type { ContractOptions, RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";

export interface StoreContractOptions extends ContractOptions {
  /** Writes text past the store, under the physical key that the store uses for `key`. Without it: no rule on foreign text. */
  readonly foreign?: (key: string, text: string) => MaybePromise<void>;
  /** A store on the same backend whose keys begin with `prefix`. Without it: no rule on prefixes. */
  readonly prefixed?: (prefix: string) => MaybePromise<StitchStore>;
  /** A store that keeps at most `maxEntries` entries. Without it: no rules on the bound. */
  readonly bounded?: (maxEntries: number) => MaybePromise<StitchStore>;
}

export interface StoreContext extends RuleBase, Subjects<StitchStore> {
  readonly options: StoreContractOptions;
}
