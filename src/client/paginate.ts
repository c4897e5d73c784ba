/** How a list goes on from page to page. */

import { checkInteger } from "../core/check.ts";
import type { CallInput } from "./config.ts";
import { StitchError, checked, configError } from "./errors.ts";
import type { ResponseFields } from "./fields.ts";
import { nextLink } from "./link-header.ts";
import { at, parsePath } from "./shape.ts";

/** A page as a paginator sees it. */
export interface PageFacts {
  /** After `transform`, `pick` and validation. */
  readonly data: unknown;
  /** As it came. */
  readonly body: unknown;
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}

export interface PageState {
  /** Pages before this one. */
  readonly index: number;
  /** Items so far, this page included. */
  readonly items: number;
  /** The input of this page. */
  readonly input: CallInput;
  /** Where the whole began. */
  readonly first: CallInput;
}

export interface Paginator {
  /** Input of the next page, or nothing at the end. */
  readonly next: (page: PageFacts, state: PageState) => CallInput | undefined | Promise<CallInput | undefined>;
  /** The items of a page. @default the data when it is a list */
  readonly items?: (page: PageFacts) => readonly unknown[];
  /** Input of the first page, such as its size. */
  readonly begin?: (input: CallInput) => CallInput;
  /** @default 50 */
  readonly maxPages?: number;
  /** @default no cap */
  readonly maxItems?: number;
}

/** One page, and where to go on from. */
export interface Page<Out = unknown> {
  readonly data: Out;
  readonly items: readonly unknown[];
  readonly index: number;
  /** Accepted as `input.resume`; nothing on the last page. Plain JSON. */
  readonly resume: unknown;
}

export interface PageLimits {
  readonly maxPages?: number;
  readonly maxItems?: number;
  /** Dot path of the items in the data. @default the data itself */
  readonly itemsPath?: string;
}

function limits(options: PageLimits): Pick<Paginator, "maxPages" | "maxItems" | "items"> {
  const path = options.itemsPath === undefined ? undefined : parsePath("itemsPath", options.itemsPath);
  return checked("paginate", () => ({
    maxPages: checkInteger("maxPages", options.maxPages ?? 50, 1),
    ...(options.maxItems === undefined ? {} : { maxItems: checkInteger("maxItems", options.maxItems, 1) }),
    ...(path === undefined ? {} : { items: (page: PageFacts) => list(at(page.data, path) ?? at(page.body, path)) }),
  }));
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** Follows `Link: <…>; rel="next"` (RFC 8288). A link to another origin is refused. */
export function linkHeader(options: PageLimits = {}): Paginator {
  return {
    ...limits(options),
    next(page, state) {
      const link = nextLink(page.headers["link"]);
      if (link === undefined) return undefined;
      let url: URL;
      try {
        url = new URL(link, page.url);
      } catch {
        throw new StitchError("PROTOCOL_ERROR", "the next link is no URL", { sent: true });
      }
      if (url.origin !== new URL(page.url).origin) throw new StitchError("REDIRECT_REFUSED", "the next link leads to another origin", { sent: true });
      return { ...state.first, [NEXT_URL]: url.pathname + url.search } as CallInput;
    },
  };
}

const NEXT_URL = Symbol.for("sluice.next-url");

/** Asks with what the last answer had at `path`; ends when that is null, absent or empty. */
export function cursor(options: PageLimits & { readonly path: string; readonly param?: string }): Paginator {
  const path = parsePath("cursor.path", options.path);
  const param = name("cursor.param", options.param ?? "cursor");
  return {
    ...limits(options),
    next(page, state) {
      const value = at(page.body, path);
      return value === undefined || value === null || value === "" || value === false ? undefined : withQuery(state.first, { [param]: value });
    },
  };
}

/** Counts items: ends on a page shorter than `limit`, or at the total where `totalPath` names one. */
export function offset(options: PageLimits & { readonly limit: number; readonly param?: string; readonly limitParam?: string; readonly totalPath?: string }): Paginator {
  const limit = checked("offset", () => checkInteger("limit", options.limit, 1));
  const param = name("offset.param", options.param ?? "offset");
  const limitParam = name("offset.limitParam", options.limitParam ?? "limit");
  const totalPath = options.totalPath === undefined ? undefined : parsePath("offset.totalPath", options.totalPath);
  const rest = limits(options);
  return {
    ...rest,
    begin: (input) => withQuery(input, { [limitParam]: limit, ...(input.query?.[param] === undefined ? { [param]: 0 } : {}) }),
    next(page, state) {
      const count = (rest.items?.(page) ?? list(page.data)).length;
      const reached = Number(state.input.query?.[param] ?? 0) + count;
      const total = totalPath === undefined ? undefined : at(page.body, totalPath);
      if (count === 0 || (typeof total === "number" ? reached >= total : count < limit)) return undefined;
      return withQuery(state.first, { [limitParam]: limit, [param]: reached });
    },
  };
}

/** Counts pages: ends on one without items. */
export function page(options: PageLimits & { readonly param?: string; readonly start?: number } = {}): Paginator {
  const param = name("page.param", options.param ?? "page");
  const start = checked("page", () => checkInteger("start", options.start ?? 1, 0));
  const rest = limits(options);
  return {
    ...rest,
    begin: (input) => (input.query?.[param] === undefined ? withQuery(input, { [param]: start }) : input),
    next(facts, state) {
      if ((rest.items?.(facts) ?? list(facts.data)).length === 0) return undefined;
      return withQuery(state.first, { [param]: Number(state.input.query?.[param] ?? start) + 1 });
    },
  };
}

function withQuery(input: CallInput, query: Readonly<Record<string, unknown>>): CallInput {
  return { ...input, query: { ...input.query, ...query } };
}

function name(option: string, value: unknown): string {
  if (typeof value !== "string" || value === "") throw configError(option, value, "the name of a query parameter");
  return value;
}
