/** Imports a user's file, TypeScript included. */

import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

/** The entries of the package by what stands behind its name. */
const ENTRIES = [
  "bun", "client", "cloudflare", "deno", "gateway", "gateway/config", "gateway/sdk", "memory", "nats", "node", "postgres", "redis", "sockets",
  "sockets/client", "sockets/valibot", "sockets/zod", "state", "testing",
] as const;

/** A file that imports the package gets this very copy, also from a folder where nothing is installed. */
const OWN: Readonly<Record<string, string>> = Object.fromEntries(
  ENTRIES.map((entry) => [`sluice/${entry}`, fileURLToPath(new URL(`../${entry.replace("/", "-")}.js`, import.meta.url))]),
);

/** The exports of `file`, loaded afresh. */
export function importFile<T>(file: string): Promise<T> {
  return createJiti(file, { moduleCache: false, fsCache: false, interopDefault: false, alias: OWN }).import<T>(file);
}
