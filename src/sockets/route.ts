/** A route made ready: one handler with everything around it. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { CompiledMessage } from "./message.ts";
import type { MessageContextBase } from "./context.ts";
import type { HookLists } from "./hooks.ts";

export type AnyMiddleware = (ctx: MessageContextBase, next: () => MaybePromise<void>) => MaybePromise<unknown>;
export type AnyHandler = (ctx: MessageContextBase) => MaybePromise<unknown>;

export interface Route {
  readonly descriptor: CompiledMessage;
  readonly kind: "event" | "rpc";
  readonly handler: AnyHandler;
  readonly ordered: boolean;
  readonly timeoutMs: number | undefined;
  /** Before validation. */
  readonly raw: readonly AnyMiddleware[];
  /** After validation. */
  readonly middleware: readonly AnyMiddleware[];
}

/** What a hub serves: the routes, the hooks and the contexts of a router at one moment. */
export interface Program {
  readonly routes: ReadonlyMap<string, Route>;
  readonly hooks: HookLists;
  /** Around `onOpen`. */
  readonly lifecycle: readonly AnyMiddleware[];
  /** Members that plugins put on contexts. */
  readonly members: ReadonlyMap<string, (ctx: MessageContextBase) => unknown>;
}
