/** Several credentials on one request. */

import { configError } from "../errors.ts";
import type { AuthContext, AuthStrategy } from "./strategy.ts";

/** All of the strategies, in order, for APIs that ask for more than one. @throws StitchError `CONFIG_INVALID` */
export function together(strategies: readonly AuthStrategy[]): AuthStrategy {
  if (!Array.isArray(strategies) || strategies.length === 0 || strategies.some((each) => typeof each?.apply !== "function")) throw configError("together", strategies, "a list of strategies");
  // What each leaves for its own refresh is no business of the others.
  const contexts = new WeakMap<AuthContext, readonly AuthContext[]>();
  const own = (context: AuthContext): readonly AuthContext[] => {
    let made = contexts.get(context);
    if (made === undefined) contexts.set(context, (made = strategies.map(() => Object.create(context, { memo: { value: undefined, writable: true } }) as AuthContext)));
    return made;
  };
  const marked = strategies.find((each) => each.marks?.header !== undefined || each.marks?.query !== undefined);
  const query = strategies.find((each) => each.marks?.query !== undefined)?.marks?.query;
  return {
    name: `together(${strategies.map((each) => each.name).join(", ")})`,
    marks: { ...marked?.marks, ...(query === undefined ? {} : { query }) },
    check: (facts) => strategies.forEach((each) => each.check?.(facts)),
    attach: (open) => strategies.forEach((each) => each.attach?.(open)),
    async apply(request, context) {
      const each = own(context);
      for (const [i, strategy] of strategies.entries()) await strategy.apply(request, each[i] as AuthContext);
    },
    async learn(response, context) {
      const each = own(context);
      for (const [i, strategy] of strategies.entries()) await strategy.learn?.(response, each[i] as AuthContext);
    },
    shouldRefresh: (response, context) => strategies.some((strategy, i) => strategy.refresh !== undefined && strategy.shouldRefresh?.(response, own(context)[i] as AuthContext) === true),
    async refresh(context) {
      for (const [i, strategy] of strategies.entries()) await strategy.refresh?.(own(context)[i] as AuthContext);
    },
  };
}
