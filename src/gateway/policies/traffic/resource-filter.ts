/** `resourceFilter`: which fields of a JSON answer a caller gets to see. */

import { checkOneOf } from "../../../core/check.ts";
import { utf8Text } from "../../collect-body.ts";
import { askForPlainAnswer, readAnswer } from "../../content-coding.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { mediaTypeIn } from "../../media-type.ts";
import { checkBoolean, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { discard } from "../../response.ts";
import type { PolicyOptions } from "../../types.ts";
import { describeRewritten } from "./rewritten-body.ts";

export interface ResourceFilterConfig extends PolicyOptions {
  /** `allow` keeps only the fields, `deny` removes them. */
  readonly mode: "allow" | "deny";
  /** Dot paths such as `user.email`; lists are walked through at every level. */
  readonly fields: readonly string[];
  /** Media types that are filtered; `application/json` also means `*+json`. @default ["application/json"] */
  readonly contentTypes?: readonly string[];
  /** Filter the elements where the answer itself is a list. @default true */
  readonly applyToArrayItems?: boolean;
  /** A body of such a type that is no JSON: passed as it is, or refused with 502. One that cannot be read (a part, longer than 8 MiB, no UTF-8, a content coding other than gzip and deflate) is passed only where this is set to `"pass"`. @default "pass" */
  readonly onUnparsable?: "pass" | "reject";
}

const MAX_BYTES = 8 * 1_048_576;

/** Filters JSON answers, and corrects their length and validators. The upstream is asked for whole answers without content coding. */
export const resourceFilter: PolicyFactory<ResourceFilterConfig> = /* @__PURE__ */ definePolicy<ResourceFilterConfig, PathTree>({
  name: "resource-filter",
  httpOnly: true,
  priority: Priority.RESPONSE_TRANSFORM,
  validate(config) {
    checkOneOf("mode", config.mode, ["allow", "deny"]);
    checkNames("fields", config.fields, 1);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
    checkBoolean("applyToArrayItems", config.applyToArrayItems);
    checkOneOf("onUnparsable", config.onUnparsable ?? "pass", ["pass", "reject"]);
  },
  setup: (config) => pathTree(config.fields),
  async handler(c, next, { config, state }) {
    askForPlainAnswer(c);
    await next();
    const { res } = c;
    if (res.body === null || !mediaTypeIn(res.headers.get("content-type"), config.contentTypes ?? ["application/json"])) return;
    const { bytes, raw } = await readAnswer(res, MAX_BYTES);
    const text = bytes === undefined ? undefined : utf8Text(bytes);
    // A NUL is no JSON: the text of another charset, which its reader might understand.
    const unread = text === undefined || text.includes("\0");
    const value = unread ? undefined : parse(text);
    if (value === undefined) {
      if (config.onUnparsable === "reject" || (unread && config.onUnparsable !== "pass")) {
        discard(new Response(raw));
        throw new GatewayError(502, "invalid_upstream_response", "The upstream's answer could not be filtered");
      }
      return new Response(raw, { status: res.status, statusText: res.statusText, headers: res.headers });
    }
    return new Response(JSON.stringify(filterFields(value.json, state, config)), { status: res.status, statusText: res.statusText, headers: describeRewritten(res.headers) });
  },
});

function parse(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Paths by their first name; a leaf stands for all below it. */
export interface PathTree {
  readonly children: ReadonlyMap<string, PathTree>;
  readonly leaf: boolean;
}

interface Growing {
  readonly children: Map<string, Growing>;
  leaf: boolean;
}

export function pathTree(paths: readonly string[]): PathTree {
  const root: Growing = { children: new Map(), leaf: false };
  for (const path of paths) {
    let at = root;
    for (const name of path.split(".")) {
      let child = at.children.get(name);
      if (child === undefined) at.children.set(name, (child = { children: new Map(), leaf: false }));
      at = child;
    }
    at.leaf = true;
  }
  return root;
}

/** The value without what the filter takes out. Nothing of the given value is changed. */
export function filterFields(value: unknown, tree: PathTree, config: Pick<ResourceFilterConfig, "mode" | "applyToArrayItems">): unknown {
  if (Array.isArray(value) && config.applyToArrayItems === false) return value;
  return config.mode === "deny" ? without(value, tree) : only(value, tree);
}

function without(value: unknown, tree: PathTree): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, tree));
  if (typeof value !== "object" || value === null) return value;
  return fromEntries(Object.entries(value).flatMap(([name, item]) => {
    const child = tree.children.get(name);
    if (child === undefined) return [[name, item] as const];
    return child.leaf ? [] : [[name, without(item, child)] as const];
  }));
}

function only(value: unknown, tree: PathTree): unknown {
  if (Array.isArray(value)) return value.map((item) => only(item, tree));
  if (typeof value !== "object" || value === null) return value;
  return fromEntries(Object.entries(value).flatMap(([name, item]) => {
    const child = tree.children.get(name);
    if (child === undefined) return [];
    if (child.leaf) return [[name, item] as const];
    // A path that goes deeper names nothing of a plain value.
    return typeof item === "object" && item !== null ? [[name, only(item, child)] as const] : [];
  }));
}

/** `__proto__` is a key like any other. */
function fromEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of entries) object[name] = value;
  return object;
}
