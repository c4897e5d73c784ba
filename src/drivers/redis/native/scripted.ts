/**
 * Algorithms whose scripts answer by themselves: one key and a fixed number of arguments per command, one reply each. A
 * key may stand in a call several times; its commands run in order.
 */

import type { Algorithm, Reply } from "../../../state/contracts/driver.ts";
import type { Script } from "../client.ts";

export interface ScriptedAlgorithm {
  readonly algorithm: Algorithm;
  readonly script: Script;
  /** The arguments of one command; the same number for every command. */
  toArgs(command: never): readonly string[];
  toReply(command: never, reply: unknown): Reply;
  /** Keys that stand behind a command's own in the call. */
  moreKeys?(command: never): readonly string[];
}
