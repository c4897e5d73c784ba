/** The commands of a key as a script gets them: equal charges next to each other travel once, with how many they are. */

import type { Operation } from "../../../state/contracts/driver.ts";
import type { NativeAlgorithm } from "./native.ts";

interface Charge {
  readonly args: string;
  times: number;
}

/** All commands of a key as groups of equal charges; `undefined` when one of them is no plain charge. */
function chargesOf(algorithm: NativeAlgorithm, commands: readonly unknown[]): Charge[] | undefined {
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

function groupsText(groups: readonly Charge[]): string {
  let text = String(groups.length);
  for (const { times, args } of groups) text += ` ${times} ${args}`;
  return text;
}

/** The text of each key's commands; `undefined` when one of them is no plain charge. */
export function groupsOf(algorithm: NativeAlgorithm, operations: readonly Operation[]): string[] | undefined {
  const texts: string[] = [];
  for (const { commands } of operations) {
    const charges = chargesOf(algorithm, commands);
    if (charges === undefined) return undefined;
    texts.push(groupsText(charges));
  }
  return texts;
}
