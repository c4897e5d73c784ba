/** The commands of a key as a script gets them: equal charges next to each other travel once, with how many they are. */

import type { NativeAlgorithm } from "./native.ts";

export interface Charge {
  readonly args: string;
  times: number;
}

/** All commands of a key as groups of equal charges; `undefined` when one of them is no plain charge. */
export function chargesOf(algorithm: NativeAlgorithm, commands: readonly unknown[]): Charge[] | undefined {
  const groups: Charge[] = [];
  let last: Charge | undefined;
  let lastCommand: unknown;
  for (const command of commands) {
    // A limiter's callers mostly send the very same object.
    const args = command === lastCommand ? last?.args : algorithm.toArgs(command)?.args;
    if (args === undefined) return undefined;
    if (last === undefined || args !== last.args) groups.push((last = { args, times: 0 }));
    last.times++;
    lastCommand = command;
  }
  return groups;
}

export function groupsText(groups: readonly Charge[]): string {
  let text = String(groups.length);
  for (const { times, args } of groups) text += ` ${times} ${args}`;
  return text;
}

/** The arguments that all keys share, then the number of charges of each key unless all are 1; `undefined` when they differ. */
export function uniformArgs(list: readonly { readonly charges: readonly Charge[] }[]): string[] | undefined {
  const first = list[0]?.charges[0]?.args as string;
  let single = true;
  for (const { charges } of list) {
    const [group] = charges;
    if (charges.length !== 1 || group?.args !== first) return undefined;
    single &&= group.times === 1;
  }
  const args = first.split(" ");
  if (!single) for (const { charges } of list) args.push(String((charges[0] as Charge).times));
  return args;
}
