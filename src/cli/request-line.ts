/** One readable line per request, for the terminal. */

import type { Served } from "./load.ts";

const colours: Readonly<Record<string, string>> = { "2": "\u001b[32m", "3": "\u001b[36m", "4": "\u001b[33m", "5": "\u001b[31m" };

/** Wraps what serves so that each answer is written as `12:00:01  GET  /path  200  3.2 ms  cache HIT`. */
export function withRequestLine(served: Served, write: (line: string) => void, colour: boolean): Served {
  return {
    async fetch(request, env, ctx) {
      const began = performance.now();
      const response = await served.fetch(request, env, ctx);
      write(requestLine(request, response, performance.now() - began, colour));
      return response;
    },
  };
}

export function requestLine(request: Request, response: Response, durationMs: number, colour: boolean): string {
  const { pathname } = new URL(request.url);
  const status = colour ? `${colours[String(response.status)[0] as string] ?? ""}${response.status}\u001b[0m` : String(response.status);
  const notes = [
    note(response, "x-cache", (value) => `cache ${value}`),
    note(response, "x-ratelimit-remaining", (value) => `${value} left of ${response.headers.get("x-ratelimit-limit") ?? "?"}`),
    note(response, "retry-after", (value) => `retry after ${value} s`),
  ].filter((text) => text !== undefined);
  // The query may hold secrets and control characters may forge a line: neither is printed.
  return `${new Date().toTimeString().slice(0, 8)}  ${request.method.padEnd(6)} ${printable(pathname).padEnd(24)} ${status}  ${durationMs.toFixed(1).padStart(6)} ms${notes.length > 0 ? `  ${notes.join(", ")}` : ""}`;
}

function note(response: Response, field: string, text: (value: string) => string): string | undefined {
  const value = response.headers.get(field);
  return value === null ? undefined : text(value);
}

function printable(path: string): string {
  return path.replace(/[^\u0020-\u007e]/g, "?").slice(0, 200);
}
