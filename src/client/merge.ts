/** Configurations over one another: plain objects merge deeply, everything else replaces, later wins. */

import { configError } from "./errors.ts";
import type { Hooks, StitchConfig } from "./config.ts";

/** Objects with an identity: copied parts of them would be another thing. */
const WHOLE: ReadonlySet<string> = /* @__PURE__ */ new Set(["adapter", "store", "secretStore", "clock", "random", "auth", "output", "trace", "encryption", "paginate", "extends"]);
const POLLUTING: ReadonlySet<string> = /* @__PURE__ */ new Set(["__proto__", "constructor", "prototype"]);
const MAX_EXTENDS = 32;

export type AnyConfig = Readonly<Record<string, unknown>>;

/** `over` over `base`. Own properties only; `undefined` is no value. */
export function mergeConfig(base: AnyConfig, over: AnyConfig): Record<string, unknown> {
  const merged = { ...base } as Record<string, unknown>;
  for (const key of Object.keys(over)) {
    const value = over[key];
    if (value === undefined || POLLUTING.has(key)) continue;
    if (key === "hooks") merged[key] = mergeHooks(merged[key] as Hooks | undefined, value as Hooks);
    else if (key === "headers") merged[key] = mergeNames(merged[key], value);
    else merged[key] = WHOLE.has(key) ? value : deep(merged[key], value, key === "input" ? 1 : 8);
  }
  return merged;
}

function deep(base: unknown, over: unknown, depth: number): unknown {
  if (depth === 0 || !isPlain(base) || !isPlain(over)) return over;
  const merged = { ...base };
  for (const key of Object.keys(over)) {
    if (POLLUTING.has(key)) continue;
    // `undefined` stays visible here: it takes a default query value away.
    merged[key] = deep(merged[key], over[key], depth - 1);
  }
  return merged;
}

function mergeNames(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over;
  const merged: Record<string, unknown> = {};
  for (const source of [base, over]) for (const name of Object.keys(source)) if (!POLLUTING.has(name)) merged[name.toLowerCase()] = source[name];
  return merged;
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
}

/** Base first before a request, child first after it. */
function mergeHooks(base: Hooks | undefined, over: Hooks): Hooks {
  if (base === undefined || typeof over !== "object" || over === null) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const name of Object.keys(over) as (keyof Hooks)[]) {
    const [mine, theirs] = [over[name], base[name]] as [((...args: unknown[]) => unknown) | undefined, ((...args: unknown[]) => unknown) | undefined];
    if (mine === undefined) continue;
    const [first, second] = name === "onRequest" ? [theirs, mine] : [mine, theirs];
    merged[name] = first === undefined || second === undefined ? mine : async (...args: unknown[]): Promise<void> => {
      await first(...args);
      await second(...args);
    };
  }
  return merged as Hooks;
}

/** A configuration with its fragments under it. Fragments may extend others. */
export function withFragments(config: AnyConfig, depth = 0): AnyConfig {
  const fragments = config["extends"];
  if (fragments === undefined) return config;
  if (!Array.isArray(fragments)) throw configError("extends", fragments, "a list of configurations");
  if (depth >= MAX_EXTENDS) throw configError("extends", undefined, `nested at most ${MAX_EXTENDS} deep, without cycles`);
  let merged: AnyConfig = {};
  for (const fragment of fragments as unknown[]) {
    if (!isPlain(fragment)) throw configError("extends", fragment, "a list of configurations");
    merged = mergeConfig(merged, withFragments(fragment, depth + 1));
  }
  const { extends: _, ...own } = config as StitchConfig as AnyConfig & { extends?: unknown };
  return mergeConfig(merged, own);
}
