/** `asyncapi`: the messages of a router in a file, as an AsyncAPI document. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createJiti } from "jiti";
import * as sockets from "../sockets.ts";
import { LoadError } from "./load.ts";

/** A file that imports the package gets this very copy, also from a folder where nothing is installed. The libraries of schemas may be missing. */
async function own(): Promise<Record<string, unknown>> {
  const [zod, valibot] = await Promise.all([import("../sockets-zod.ts").catch(() => undefined), import("../sockets-valibot.ts").catch(() => undefined)]);
  return { "sluice/sockets": sockets, ...(zod && { "sluice/sockets/zod": zod }), ...(valibot && { "sluice/sockets/valibot": valibot }) };
}

export interface AsyncApiFlags {
  readonly title?: string | undefined;
  readonly version?: string | undefined;
}

/** Prints the document. The file exports a router, or a function that gives one, as its default or as `router`. */
export async function asyncApiFile(path: string, { title = "Sockets", version = "1.0.0" }: AsyncApiFlags): Promise<void> {
  const file = resolve(path);
  if (!existsSync(file)) throw new LoadError(`${file}: no such file`);
  const jiti = createJiti(file, { moduleCache: false, fsCache: false, interopDefault: false, virtualModules: await own() });
  const module = await jiti.import<{ default?: unknown; router?: unknown }>(file);
  const exported = module.default ?? module.router;
  const router = (typeof exported === "function" ? await (exported as () => unknown)() : exported) as Partial<sockets.Router> | undefined;
  if (typeof router?.toAsyncAPI !== "function") throw new LoadError(`${path}: exports no router; export one as default, or as router`);
  process.stdout.write(`${JSON.stringify(router.toAsyncAPI({ title, version }), null, 2)}\n`);
}
