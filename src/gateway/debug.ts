/** Debug logging by namespace globs. Off costs nothing: every logger is then the same empty function. */

import { withoutControls } from "../core/console-line.ts";
import type { DebugLogger } from "./types.ts";

export const noopDebug: DebugLogger = () => {};

export type DebugFactory = (namespace: string) => DebugLogger;

/** Where debug lines go. */
export type DebugSink = (line: string) => void;

/**
 * `true` is everything; a string is a comma list of globs (`*` stands for any run of characters; a leading `-`
 * excludes). `undefined` when nothing is on.
 */
export function createDebug(option: boolean | string | undefined, sink: DebugSink = (line) => console.debug(line)): DebugFactory | undefined {
  if (option === undefined || option === false || option === "") return undefined;
  const matches = option === true ? () => true : globs(option);
  const loggers = new Map<string, DebugLogger>();
  return (namespace) => {
    let logger = loggers.get(namespace);
    if (logger === undefined) {
      logger = matches(namespace) ? (message, ...args) => write(sink, namespace, message, args) : noopDebug;
      // Namespaces come from code, not from requests; the bound is for code that builds them from requests.
      if (loggers.size < 1000) loggers.set(namespace, logger);
    }
    return logger;
  };
}

function globs(list: string): (namespace: string) => boolean {
  const wanted: RegExp[] = [];
  const unwanted: RegExp[] = [];
  for (const raw of list.split(",")) {
    const glob = raw.trim();
    if (glob === "" || glob === "-") continue;
    const negative = glob.startsWith("-");
    const body = negative ? glob.slice(1) : glob;
    // Consecutive stars are one star: it keeps the pattern linear.
    const source = body.replace(/\*+/g, "*").replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*");
    (negative ? unwanted : wanted).push(new RegExp(`^${source}$`));
  }
  return (namespace) => wanted.some((glob) => glob.test(namespace)) && !unwanted.some((glob) => glob.test(namespace));
}

function write(sink: DebugSink, namespace: string, message: string, args: readonly unknown[]): void {
  try {
    sink(`[${namespace}] ${format(message, args)}`);
  } catch {
    // A debug line that cannot be written must not change the request it describes.
  }
}

/** `%s`, `%d`, `%j`, `%o`, `%%` in the message; further arguments follow it. Control characters are escaped. */
function format(message: string, args: readonly unknown[]): string {
  let used = 0;
  let text = String(message).replace(/%([sdijoO%])/g, (whole, kind: string) => {
    if (kind === "%") return "%";
    if (used >= args.length) return whole;
    const value = args[used++];
    if (kind === "s") return show(value);
    if (kind === "d") return String(Number(value));
    if (kind === "i") return String(Math.trunc(Number(value)));
    return json(value);
  });
  for (; used < args.length; used++) text += ` ${show(args[used])}`;
  // One line per call: a value of a request must not be able to write a line of its own.
  return withoutControls(text, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return typeof value === "object" && value !== null ? json(value) : String(value);
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
