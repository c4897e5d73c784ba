/** The rules on the end of a store that is destroyed synchronously: caches, circuits and limits have the same. */

import { type Rule, type RuleBase, optional, skipRule } from "../report.ts";
import type { Subjects } from "../subjects.ts";

/** `use` leaves a trace under the key; `expectUsed` fails unless the other client still sees it. */
export function destroyRules<Store extends { destroy?(): void }>(
  use: (store: Store, key: string) => unknown,
  expectUsed: (store: Store, key: string) => Promise<unknown>,
): readonly Rule<RuleBase & Subjects<Store>>[] {
  return [
    {
      rule: "lifecycle/destroy-twice",
      async run(c) {
        const store = await c.another();
        optional(store.destroy, "destroy");
        await use(store, c.key());
        store.destroy?.();
        store.destroy?.();
      },
    },
    {
      rule: "lifecycle/destroy-leaves-the-others",
      async run(c) {
        const [a, b] = await c.clients();
        if (!(await c.shared())) return skipRule("the store shares nothing");
        optional(b.destroy, "destroy");
        const key = c.key();
        await use(b, key);
        b.destroy?.();
        await expectUsed(a, key);
      },
    },
  ];
}
