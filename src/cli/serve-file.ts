/** `run` and `dev`: a gateway file behind a port. */

import { dirname, resolve } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { serve as serveOnBun } from "../bun.ts";
import { serve as serveOnDeno } from "../deno.ts";
import { type GatewayConfig, type GatewayEvent, type GatewayInstance, createGateway } from "../gateway.ts";
import { type Listening, serve as serveOnNode } from "../node.ts";
import { LoadError, type Loaded, type Served, load } from "./load.ts";
import { withRequestLine } from "./request-line.ts";

export interface ServeFileOptions {
  readonly port: number;
  readonly hostname: string;
  /** Load the file again when it or a file beside it changes; a broken edit keeps the last good gateway. */
  readonly watch: boolean;
  /** Debug lines of the gateway. @default false */
  readonly debug?: boolean;
  /** One line per request. @default true */
  readonly lines?: boolean;
  /** One line per event of the gateway. @default false */
  readonly events?: boolean;
  /** What the file is called in messages. @default its path */
  readonly shown?: string;
  /** Called when the file has been loaded, or could not be. */
  readonly loaded?: () => Promise<void>;
}

/** The watcher drops a change within 50 ms of another (a formatter after a save), so loading waits longer than that. */
const SETTLE_MS = 100;

export async function serveFile(path: string, options: ServeFileOptions): Promise<void> {
  const file = resolve(path);
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  // While somebody works on a file, the dashboard is a page of its own server, on this machine alone.
  const current = new Current((config) => ({ ...config, ...(options.watch && config.admin === undefined ? { admin: true } : undefined), ...(options.debug === true ? { debug: true } : undefined) }), (gateway) => {
    if (options.events === true) gateway.events.on((event) => print(eventLine(event)));
  });
  try {
    const loaded = await load(file).finally(() => options.loaded?.());
    await current.replace(loaded);
  } catch (error) {
    // `dev` starts from a good file, too: there is no last good one to serve yet.
    fail(error);
  }
  const watcher = options.watch ? await watching(dirname(file)) : undefined;
  // Each runtime's own server is its fastest, and the only one whose addresses and limits are its own.
  const serve: (app: Served, at: { port: number; hostname: string }) => Promise<Listening> = "Bun" in globalThis ? serveOnBun : "Deno" in globalThis ? serveOnDeno : serveOnNode;
  const server = await serve(options.lines === false ? current : withRequestLine(current, print, process.stdout.isTTY === true), { port: options.port, hostname: options.hostname }).catch((error: unknown) => fail(portInUse(error, options.port)));
  print(`sluice ${options.watch ? "dev" : "run"}: ${options.shown ?? file}\nlistening on ${server.url}${options.watch ? ", reloading on save" : ""}${options.watch && current.hasGateway ? `\ndashboard on ${server.url.replace("127.0.0.1", "localhost")}/___gateway/` : ""}`);

  let pending = false;
  let reload = Promise.resolve();
  watcher?.on("all", (_, changed) => {
    if (pending || !/\.(?:[cm]?[jt]s|json)$/.test(changed)) return;
    pending = true;
    setTimeout(() => {
      pending = false;
      // One after the other, and each sees the newest file.
      reload = reload.then(() => apply(changed));
    }, SETTLE_MS);
  });
  const apply = async (changed: string): Promise<void> => {
    try {
      await current.replace(await load(file));
      print(`reloaded after a change of ${changed}`);
    } catch (error) {
      print(`${error instanceof Error ? error.message : String(error)}\nnot reloaded: the last good gateway keeps serving`);
    }
  };

  let closing = false;
  const stop = (): void => {
    if (closing) process.exit(1);
    closing = true;
    print("closing: work in flight finishes, a second signal ends at once");
    void Promise.all([watcher?.close(), server.close()])
      .then(() => current.close())
      .then(() => process.exit(0));
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}

/** A watcher that misses nothing from now on. */
async function watching(folder: string): Promise<FSWatcher> {
  const watcher = watch(folder, { ignoreInitial: true, ignored: (name) => /[/\\](node_modules|\.git|dist)([/\\]|$)/.test(name) });
  await new Promise<void>((resolve) => watcher.once("ready", () => resolve()));
  return watcher;
}

/** What serves now. A config is applied to the running gateway, so its counters survive an edit. */
class Current implements Served {
  #served: Served & { readonly close?: () => Promise<void> } = { fetch: () => new Response(null, { status: 503 }) };
  #gateway: GatewayInstance | undefined;
  readonly #complete: (config: GatewayConfig) => GatewayConfig;

  readonly #made: (gateway: GatewayInstance) => void;

  constructor(complete: (config: GatewayConfig) => GatewayConfig, made: (gateway: GatewayInstance) => void) {
    this.#complete = complete;
    this.#made = made;
  }

  readonly fetch: Served["fetch"] = (request, env, ctx) => this.#served.fetch(request, env, ctx);

  get hasGateway(): boolean {
    return this.#gateway !== undefined;
  }

  async replace(loaded: Loaded): Promise<void> {
    if (loaded.kind === "config" && this.#gateway !== undefined) {
      await this.#gateway.update(this.#complete(loaded.config));
      return;
    }
    const old = this.#served;
    this.#gateway = loaded.kind === "config" ? createGateway(this.#complete(loaded.config)) : undefined;
    this.#served = this.#gateway ?? (loaded as { served: Served }).served;
    const gateway = this.#gateway ?? (this.#served as Partial<GatewayInstance>);
    if (gateway.events !== undefined && "_registry" in gateway) this.#made(gateway as GatewayInstance);
    if (old !== this.#served) await old.close?.();
  }

  async close(): Promise<void> {
    await this.#served.close?.();
  }
}

/** `store.down {"store":"rateLimitStore",…}`; of an error its message. */
function eventLine({ type, ...rest }: GatewayEvent): string {
  return `${type} ${JSON.stringify(rest, (_name, value: unknown) => (value instanceof Error ? value.message : value))}`;
}

function portInUse(error: unknown, port: number): unknown {
  return (error as { code?: string }).code === "EADDRINUSE" ? new LoadError(`port ${port} is in use; choose another with --port, or 0 for a free one`) : error;
}

function fail(error: unknown): never {
  process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
