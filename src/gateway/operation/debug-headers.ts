/** Response fields that explain a decision, for a client that asks and may ask. */

import type { Context } from "hono";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { requestState, type RequestState } from "../context.ts";
import { configError } from "../errors.ts";
import { isToken, known } from "../validate.ts";
import { TraceNotes, formatTrace } from "./trace-report.ts";

export interface DebugHeadersOptions {
  /** Request field in which a client lists what it wants: names, with or without `x-sluice-`, or `*`. @default "x-sluice-debug" */
  readonly requestHeader?: string;
  /** Names a client may have. @default all */
  readonly allow?: readonly string[];
  /** Who may ask. @default everybody */
  readonly authorize?: (c: Context) => MaybePromise<boolean>;
}

export interface DebugSettings {
  readonly requestHeader: string;
  readonly allow: ReadonlySet<string> | undefined;
  readonly authorize: DebugHeadersOptions["authorize"];
}

const PREFIX = "x-sluice-";
/** Names one request may list. */
const MAX_NAMES = 64;

/** Throws a `config_error`; `undefined` when debug headers are off. */
export function debugSettings(option: boolean | DebugHeadersOptions | undefined): DebugSettings | undefined {
  if (option === undefined || option === false) return undefined;
  if (option === true) return { requestHeader: "x-sluice-debug", allow: undefined, authorize: undefined };
  if (typeof option !== "object" || option === null) throw configError(`option "debugHeaders"`, option, "a boolean or an object");
  known(`option of "debugHeaders"`, option, ["requestHeader", "allow", "authorize"]);
  const { requestHeader = "x-sluice-debug", allow, authorize } = option;
  if (!isToken(requestHeader)) throw configError(`option "debugHeaders.requestHeader"`, requestHeader, "a header name");
  if (allow !== undefined && !(Array.isArray(allow) && allow.every((name) => typeof name === "string"))) throw configError(`option "debugHeaders.allow"`, allow, "a list of names");
  if (authorize !== undefined && typeof authorize !== "function") throw configError(`option "debugHeaders.authorize"`, authorize, "a function");
  return { requestHeader, allow: allow === undefined ? undefined : new Set(allow.map(shortName)), authorize };
}

/** What a request wants to know. `all` stands for every name, or every one of an allow-list. */
export interface DebugRequest {
  readonly all: boolean;
  readonly names: ReadonlySet<string>;
}

/** Reads the request field's value; `undefined` when nothing that may be had is asked for. */
export function parseDebugRequest(value: string | null | undefined, allow?: Iterable<string>): DebugRequest | undefined {
  if (value === null || value === undefined || value === "") return undefined;
  const allowed = allow === undefined ? undefined : new Set([...allow].map(shortName));
  const names = new Set<string>();
  let all = false;
  for (const part of value.split(",", MAX_NAMES)) {
    const name = shortName(part.trim());
    if (name === "*") {
      if (allowed === undefined) all = true;
      else for (const one of allowed) names.add(one);
    } else if (name !== "" && (allowed === undefined || allowed.has(name))) names.add(name);
  }
  return all || names.size > 0 ? { all, names } : undefined;
}

function shortName(name: string): string {
  const lower = name.toLowerCase();
  return lower.startsWith(PREFIX) ? lower.slice(PREFIX.length) : lower;
}

/** Collected for one request. */
export class DebugNotes {
  readonly request: DebugRequest;
  readonly fields: Map<string, string> = new Map();

  constructor(request: DebugRequest) {
    this.request = request;
  }

  wants(name: string): boolean {
    return this.request.all || this.request.names.has(shortName(name));
  }
}

/** Arms a request whose client asks for something it may have. */
export function armDebug(state: RequestState, settings: DebugSettings): MaybePromise<void> {
  const wanted = parseDebugRequest(state.original.headers.get(settings.requestHeader), settings.allow);
  if (wanted === undefined) return;
  const arm = (allowed: boolean): void => {
    if (allowed !== true) return;
    state.debugNotes = new DebugNotes(wanted);
    if (state.debugNotes.wants("trace")) state.traceNotes = new TraceNotes();
  };
  if (settings.authorize === undefined) return arm(true);
  try {
    const allowed = settings.authorize(state.c);
    // A check that fails is a no.
    return typeof allowed === "boolean" ? arm(allowed) : Promise.resolve(allowed).then(arm, () => {});
  } catch {
    return;
  }
}

/** Writes what was collected. */
export function writeDebugHeaders(state: RequestState, headers: Headers): void {
  const notes = state.debugNotes;
  if (notes === undefined) return;
  for (const [name, value] of notes.fields) headers.set(PREFIX + name, value);
  if (state.traceNotes === undefined) return;
  const totalMs = round(state.snapshot.clock.monotonic() - state.beganAt);
  headers.set(`${PREFIX}trace`, formatTrace({ requestId: state.requestId, traceId: state.traceId, route: state.routePath, totalMs, entries: state.traceNotes.entries.toSorted((a, b) => a.priority - b.priority) }));
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Whether the client asked for that name, or for anything, and may have it. */
export function isDebugRequested(c: Context, name?: string): boolean {
  const notes = requestState(c).debugNotes;
  return notes !== undefined && (name === undefined || notes.wants(name));
}

/** Puts `x-sluice-<name>` onto the answer, when it was asked for. Text that a field cannot hold is percent-encoded. */
export function setDebugHeader(c: Context, name: string, value: string | number | boolean): void {
  const notes = requestState(c).debugNotes;
  if (notes === undefined || !isToken(name) || !notes.wants(name)) return;
  notes.fields.set(shortName(name), String(value).slice(0, 2048).replace(/[^\x20-\x7e]+/g, (run) => encodeURIComponent(run.replace(/\p{Surrogate}/gu, "\ufffd"))));
}
