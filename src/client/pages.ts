/** Going through the pages of a list: lazily, or all of them. */

import { Call, type CallContext } from "./call.ts";
import type { CallInput } from "./config.ts";
import { StitchError } from "./errors.ts";
import type { Page, PageFacts, Paginator } from "./paginate.ts";
import { NEXT_URL, checkCallInput } from "./prepare.ts";
import { requestOnce, type StitchState } from "./run.ts";

const MAX_PAGES = 50;

interface Walk {
  readonly input: CallInput;
  readonly index: number;
  readonly items: number;
}

/** A page and what follows it. */
async function step(state: StitchState, call: Call, paginator: Paginator, first: CallInput, walk: Walk, seen: Set<string>): Promise<{ readonly page: Page; readonly facts: PageFacts; readonly next: Walk | undefined }> {
  const { data, body, answer, prepared } = await requestOnce(state, call, walk.input);
  // The same request twice would go on for ever.
  const { target } = prepared;
  const mark = `${target.origin}${target.pathname}${target.search} ${prepared.body?.text ?? ""}`;
  if (seen.has(mark)) throw new StitchError("PAGINATION_LOOP", "the pages lead back to one that was read", { sent: true });
  seen.add(mark);
  const facts: PageFacts = { data, body, status: answer.status, headers: answer.fields, url: answer.url };
  const items = paginator.items?.(facts) ?? (Array.isArray(data) ? (data as unknown[]) : data === undefined ? [] : [data]);
  const count = walk.items + items.length;
  const following = await call.scope.bound(Promise.resolve(paginator.next(facts, { index: walk.index, items: count, input: walk.input, first })));
  if (following !== undefined && following !== null && (typeof following !== "object" || Array.isArray(following))) throw new StitchError("CONFIG_INVALID", "paginate.next must give an input or nothing");
  const next = following === undefined || following === null ? undefined : { input: strip(following), index: walk.index + 1, items: count };
  if (next !== undefined) {
    const upcoming = JSON.stringify([next.input.params, next.input.query, next.input.body, (next.input as Record<symbol, unknown>)[NEXT_URL], next.input.headers]);
    if (seen.has(upcoming)) throw new StitchError("PAGINATION_LOOP", "the next page is one that was read", { sent: true });
    seen.add(upcoming);
  }
  return { page: { data, items, index: walk.index, resume: next === undefined ? undefined : resumeOf(next) }, facts, next };
}

function strip(input: CallInput): CallInput {
  const { resume: _, ...rest } = input as CallInput & { resume?: unknown };
  return rest;
}

function resumeOf({ input, index, items }: Walk): unknown {
  const { params, query, body, variables } = input;
  const url = (input as Record<symbol, unknown>)[NEXT_URL];
  return JSON.parse(JSON.stringify({ params, query, body, variables, url, index, items }));
}

function beginning(paginator: Paginator, input: CallInput): Walk {
  const { resume, ...rest } = input;
  if (resume === undefined) return { input: paginator.begin?.(rest) ?? rest, index: 0, items: 0 };
  if (typeof resume !== "object" || resume === null) throw new StitchError("INPUT_INVALID", "resume must be what page.resume gave", { issues: [{ message: "not a place to resume at", path: ["resume"] }] });
  const { url, index, items, ...slots } = resume as Record<string, unknown>;
  if (url !== undefined && (typeof url !== "string" || !url.startsWith("/") || url.startsWith("//"))) throw new StitchError("INPUT_INVALID", "resume must be what page.resume gave", { issues: [{ message: "not a place to resume at", path: ["resume"] }] });
  return { input: { ...rest, ...slots, ...(url === undefined ? {} : { [NEXT_URL]: url }) } as CallInput, index: Number(index) || 0, items: Number(items) || 0 };
}

/** Every page under one deadline, as it is asked for. */
export async function* iteratePages(state: StitchState, input: CallInput, context: CallContext): AsyncGenerator<Page<never>, void, undefined> {
  const { plan } = state;
  const paginator = plan.config.paginate;
  if (paginator === undefined) throw new StitchError("CONFIG_INVALID", "pages() needs paginate in the configuration");
  const call = new Call(plan, input, context);
  call.runtime.enter();
  const { maxPages = MAX_PAGES } = paginator;
  try {
    if (plan.timeout.totalMs !== Infinity) call.scope.limit(plan.timeout.totalMs);
    const checkedInput = checkCallInput(input);
    const { resume: _, ...first } = checkedInput;
    const seen = new Set<string>();
    for (let walk: Walk | undefined = beginning(paginator, checkedInput), pages = 0; walk !== undefined && pages < maxPages; pages++) {
      const { page, next } = await step(state, call, paginator, first, walk, seen);
      yield page as Page<never>;
      walk = next;
    }
  } catch (error) {
    throw call.fail(error);
  } finally {
    call.end();
    call.runtime.leave();
  }
}

/** All items, up to the caps. */
export async function collectPages(state: StitchState, call: Call): Promise<unknown[]> {
  const paginator = state.plan.config.paginate as Paginator;
  const { maxPages = MAX_PAGES, maxItems = Infinity } = paginator;
  const input = checkCallInput(call.input);
  const { resume: _, ...first } = input;
  const all: unknown[] = [];
  const seen = new Set<string>();
  let walk: Walk | undefined = beginning(paginator, input);
  for (let pages = 0; walk !== undefined; pages++) {
    if (pages >= maxPages || all.length >= maxItems) {
      call.truncated = true;
      break;
    }
    call.emit({ type: "progress", phase: "paginate", loadedBytes: all.length });
    const { page, next } = await step(state, call, paginator, first, walk, seen);
    all.push(...page.items);
    walk = next;
  }
  if (all.length > maxItems) {
    all.length = maxItems;
    call.truncated = true;
  }
  if (call.truncated) call.emit({ type: "info", topic: "paginate", detail: "the list was cut at a cap" });
  return all;
}
