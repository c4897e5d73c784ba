/** Plugins: applied once, they set a router up and may put members on contexts. */

import { OptionError } from "../core/errors.ts";
import type { MiddlewareContext } from "./types.ts";
import type { Router } from "./router.ts";

/** What a plugin is made of. */
export interface PluginSpec<Adds extends object = object> {
  /** Its identity: a second one of the name is not applied. */
  readonly name: string;
  /** Members of every context, read when they are used. */
  readonly context?: { readonly [K in keyof Adds]: (ctx: MiddlewareContext<never>) => Adds[K] };
  readonly setup?: (router: Router<never, never>) => void;
}

export type Plugin<Adds extends object = object> = (PluginSpec<Adds> | ((router: Router<never, never>) => void)) & { readonly "~adds"?: Adds };

/**
 * Makes a plugin.
 *
 * ```ts
 * const locale = definePlugin({ name: "locale", context: { locale: (ctx) => ctx.request.headers.get("accept-language") ?? "en" } });
 * ```
 */
export function definePlugin<Adds extends object = object>(spec: PluginSpec<Adds>): Plugin<Adds> {
  if (typeof spec?.name !== "string" || spec.name === "") throw new OptionError("plugin.name", spec?.name, "a non-empty string");
  return spec;
}
