/** Hooks of a router, as options and as methods. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import { checkFunction, checkKeys } from "./check.ts";
import type { AuthContext, BaseContext, CloseContext, ConnectionData, ErrorContext, LimitInfo } from "./types.ts";

/** What `onPublish` is told. */
export interface PublishInfo {
  readonly topic: string;
  readonly type: string;
  readonly matched: number;
  readonly dropped: number;
  /** Undefined for `router.publish`. */
  readonly clientId: string | undefined;
}

/** What `onJoin` and `onLeave` are told. */
export interface PresenceChange {
  readonly topic: string;
  readonly id: string;
  readonly data: unknown;
}

export interface RouterHooks<Data = ConnectionData> {
  readonly onLimitExceeded?: (info: LimitInfo) => MaybePromise<unknown>;
  readonly onOpen?: (ctx: BaseContext<Data>) => MaybePromise<unknown>;
  readonly onClose?: (ctx: CloseContext<Data>) => MaybePromise<unknown>;
  readonly onError?: (error: unknown, ctx: ErrorContext<Data>) => MaybePromise<unknown>;
  readonly onAuth?: (ctx: AuthContext<Data>) => MaybePromise<unknown>;
  readonly onPublish?: (info: PublishInfo) => MaybePromise<unknown>;
  readonly onJoin?: (change: PresenceChange) => MaybePromise<unknown>;
  readonly onLeave?: (change: PresenceChange) => MaybePromise<unknown>;
}

export type HookName = keyof RouterHooks;
export const HOOKS: readonly HookName[] = ["onLimitExceeded", "onOpen", "onClose", "onError", "onAuth", "onPublish", "onJoin", "onLeave"];

/** Hooks by name, in the order in which they were added. Lists are live: a hook added later is called from then on. */
export type HookLists = { readonly [K in HookName]: ((...args: never[]) => MaybePromise<unknown>)[] };

export function hookLists(hooks: RouterHooks<never> | undefined): HookLists {
  const lists = Object.fromEntries(HOOKS.map((name) => [name, []])) as unknown as HookLists;
  if (hooks === undefined) return lists;
  checkKeys("hooks", hooks, HOOKS);
  for (const name of HOOKS) if (hooks[name] !== undefined) lists[name].push(checkFunction(`hooks.${name}`, hooks[name]) as never);
  return lists;
}
