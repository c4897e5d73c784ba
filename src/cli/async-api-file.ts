/** `asyncapi`: the messages of a router in a file, as an AsyncAPI document. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Router } from "../sockets.ts";
import { importFile } from "./import-file.ts";
import { LoadError } from "./load.ts";

export interface AsyncApiFlags {
  readonly title?: string | undefined;
  readonly version?: string | undefined;
}

/** Prints the document. The file exports a router, or a function that gives one, as its default or as `router`. */
export async function asyncApiFile(path: string, { title = "Sockets", version = "1.0.0" }: AsyncApiFlags): Promise<void> {
  const file = resolve(path);
  if (!existsSync(file)) throw new LoadError(`${file}: no such file`);
  const module = await importFile<{ default?: unknown; router?: unknown }>(file);
  const exported = module.default ?? module.router;
  const router = (typeof exported === "function" ? await (exported as () => unknown)() : exported) as Partial<Router> | undefined;
  if (typeof router?.toAsyncAPI !== "function") throw new LoadError(`${path}: exports no router; export one as default, or as router`);
  process.stdout.write(`${JSON.stringify(router.toAsyncAPI({ title, version }), null, 2)}\n`);
}
