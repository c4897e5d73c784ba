/** A gateway file that is somewhere else: fetched only when that was allowed in so many words, since it runs with all rights. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { LoadError } from "./load.ts";

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 15_000;
const KINDS: ReadonlySet<string> = new Set([".ts", ".mts", ".js", ".mjs", ".cjs", ".cts", ".json"]);

export interface LocalCopy {
  readonly path: string;
  /** Removes it. */
  readonly remove: () => Promise<void>;
}

export function isRemote(file: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(file);
}

/** Fetches `url` into a file of its own; imports in it reach what is installed, and no neighbours. */
export async function fetchFile(url: string, trusted: boolean): Promise<LocalCopy> {
  if (!/^https?:\/\//i.test(url)) throw new LoadError(`${url}: only http and https addresses can be run`);
  if (!trusted) throw new LoadError(`${url}: this would run a program from elsewhere with all your rights; read it first, and if you trust it, add --trust-remote`);
  const text = await download(url);
  const { pathname } = new URL(url);
  const folder = await mkdtemp(join(tmpdir(), "sluice-remote-"));
  const name = basename(pathname).replace(/[^\w.-]/g, "_");
  const path = join(folder, KINDS.has(extname(name)) ? name : "gateway.ts");
  await writeFile(path, text, { mode: 0o600 });
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function download(url: string): Promise<string> {
  let response: Response;
  try {
    // What was trusted is this address, not the one it points to.
    response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new LoadError(`${url}: cannot be fetched (${error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error)})`, { cause: error });
  }
  if (!response.ok) throw new LoadError(`${url}: answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new LoadError(`${url}: longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
