/** Loads a user's gateway file, TypeScript included, and says in plain words what is wrong with a broken one. */

import { existsSync, readFileSync } from "node:fs";
import type { GatewayConfig } from "../gateway.ts";
import { importFile } from "./import-file.ts";

/** What serves: a gateway, a Hono app, anything with a fetch handler. */
export interface Served {
  readonly fetch: (request: Request, env?: unknown, ctx?: unknown) => Response | Promise<Response>;
}

export type Loaded =
  | { readonly kind: "config"; readonly config: GatewayConfig }
  | { readonly kind: "served"; readonly served: Served & { readonly close?: () => Promise<void> } };

/** A file that cannot be served; the message holds the place and what to do. */
export class LoadError extends Error {}

/** Loads `file` afresh. The default export is a config, a gateway, a Hono app, or a function that gives one of them. */
export async function load(file: string): Promise<Loaded> {
  if (!existsSync(file)) throw new LoadError(`${file}: no such file`);
  try {
    const module = await importFile<{ default?: unknown }>(file);
    const exported = module.default;
    return recognise(typeof exported === "function" ? await (exported as () => unknown)() : exported);
  } catch (error) {
    throw error instanceof LoadError ? new LoadError(`${file}: ${error.message}`) : new LoadError(describeError(error, file), { cause: error });
  }
}

function recognise(exported: unknown): Loaded {
  if (typeof exported === "object" && exported !== null) {
    if (typeof (exported as Served).fetch === "function") return { kind: "served", served: exported as Served };
    if (Array.isArray((exported as { routes?: unknown }).routes)) return { kind: "config", config: exported as GatewayConfig };
  }
  const got = exported === undefined ? "there is no default export" : `the default export is ${exported === null ? "null" : `a ${typeof exported}`}`;
  throw new LoadError(`${got}\n  export a config (\`export default { routes: [...] }\`), a gateway (\`export default createGateway({...})\`) or a Hono app`);
}

/** Place, message, the line itself, and a hint where there is one. */
export function describeError(error: unknown, file: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const syntax = /^\s*ParseError: ([\s\S]*?)\s+(\/?[^\n]*?):(\d+):(\d+)/.exec(message);
  if (syntax !== null) return at(syntax[2] as string, Number(syntax[3]), Number(syntax[4]), `syntax error: ${(syntax[1] as string).trim()}`);
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(message);
  const hint = missing === null ? "" : /^[./]/.test(missing[1] as string) ? "\n  check the path; it is relative to the importing file" : `\n  run \`npm install ${packageName(missing[1] as string)}\``;
  const text = missing === null ? message.trim() : `cannot find "${missing[1]}"`;
  const frame = frames(stack).find((candidate) => !candidate.path.includes("/node_modules/"));
  return frame === undefined || missing !== null ? `${file}: ${text}${hint}` : at(frame.path, frame.line, frame.column, text + hint);
}

function at(path: string, line: number, column: number, text: string): string {
  const source = existsSync(path) ? (readFileSync(path, "utf8").split("\n")[line - 1] ?? "") : "";
  return `${path}:${line}:${column}: ${text}${source.trim() === "" ? "" : `\n  ${line} | ${source}`}`;
}

/** Stack frames outside this package and outside Node itself. */
function frames(stack: string): { path: string; line: number; column: number }[] {
  const here = new URL("..", import.meta.url).pathname;
  return [...stack.matchAll(/\(?((?:file:\/\/)?\/[^()\n]+?):(\d+):(\d+)\)?$/gm)]
    .map(([, path, line, column]) => ({ path: (path as string).replace(/^file:\/\//, ""), line: Number(line), column: Number(column) }))
    .filter(({ path }) => !path.startsWith(here));
}

function packageName(specifier: string): string {
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
