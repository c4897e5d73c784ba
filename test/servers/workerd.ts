/** workerd for tests: bundles a module as a deploy would, and runs it in Miniflare with real bindings. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type OutputChunk, rolldown } from "rolldown";
import { Agent, fetch as send } from "undici";

/** Conditions under which Cloudflare's own tools resolve packages. */
const CONDITIONS: readonly string[] = ["workerd", "worker", "browser", "import", "module", "default"];

/** RPC, SQLite-backed objects and everything else of today; the first flags that matter came in 2024. */
export const COMPATIBILITY_DATE = "2026-04-01";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Miniflare's own types need two packages that nothing else here does, so what is used of it is written down. */
export interface Miniflare {
  readonly ready: Promise<URL>;
  unsafeGetDirectURL(worker: string): Promise<URL>;
  getBindings<Env>(worker?: string): Promise<Env>;
  dispose(): Promise<void>;
}

export interface ObjectDesignator {
  readonly className: string;
  readonly scriptName?: string;
  readonly useSQLite?: boolean;
}

/** Bindings of a worker, as Miniflare takes them. */
export interface WorkerBindings {
  readonly durableObjects?: Readonly<Record<string, string | ObjectDesignator>>;
  readonly kvNamespaces?: readonly string[] | Readonly<Record<string, string>>;
  readonly ratelimits?: Readonly<Record<string, { readonly simple: { readonly limit: number; readonly period: number } }>>;
  readonly serviceBindings?: Readonly<Record<string, unknown>>;
  readonly bindings?: Readonly<Record<string, unknown>>;
}

export interface WorkerBundle {
  readonly code: string;
  /** Modules the bundle imports from the platform: `cloudflare:workers`, `node:fs`. */
  readonly imports: readonly string[];
  readonly bytes: number;
  readonly gzipBytes: number;
}

export interface BundleOptions {
  /** @default false */
  readonly minify?: boolean;
  /** Conditions to resolve packages under. @default those of wrangler */
  readonly conditions?: readonly string[];
}

/**
 * One ES module from a file, or from the text of one. `sluice/...` is the built package (`dist`, which the suites build before
 * they begin); what only the platform has stays an import.
 */
export async function bundleWorker(entry: string | { readonly source: string }, options: BundleOptions = {}): Promise<WorkerBundle> {
  const text = typeof entry === "string" ? undefined : entry.source;
  const virtual = join(root, "test/servers/worker-entry.ts");
  const bundle = await rolldown({
    input: text === undefined ? (entry as string) : virtual,
    cwd: root,
    platform: "browser",
    external: [/^cloudflare:/, /^node:/],
    resolve: { conditionNames: [...(options.conditions ?? CONDITIONS)] },
    logLevel: "warn",
    plugins: text === undefined ? [] : [{ name: "text", load: (id) => (id === virtual ? { code: text, moduleType: "ts" } : null), resolveId: (id) => (id === virtual ? id : null) }],
  });
  try {
    const { output } = await bundle.generate({ format: "esm", minify: options.minify ?? false, codeSplitting: false });
    const chunk = output.find((part): part is OutputChunk => part.type === "chunk") as OutputChunk;
    const code = chunk.code;
    return { code, imports: chunk.imports, bytes: Buffer.byteLength(code), gzipBytes: gzipSync(code, { level: 9 }).length };
  } finally {
    await bundle.close();
  }
}

export interface WorkerdOptions {
  /** A module file, the text of one, or a finished bundle. */
  readonly entry: string | { readonly source: string } | WorkerBundle;
  /** With the platform's Node modules. @default false */
  readonly nodejsCompat?: boolean;
  readonly compatibilityDate?: string;
  readonly compatibilityFlags?: readonly string[];
  readonly worker?: WorkerBindings;
  /** Workers that run the same module, each in isolates of its own; all use the first one's objects and namespaces. @default 1 */
  readonly copies?: number;
  /** Folder that keeps the objects, so that a restart finds them. @default in memory */
  readonly persistTo?: string;
}

export interface Workerd {
  readonly miniflare: Miniflare;
  /** Where the first worker listens. */
  readonly url: string;
  /** Sends a request to the worker, or to one of its copies. */
  fetch(path: string, init?: RequestInit, copy?: number): Promise<Response>;
  /** Calls the worker and reads JSON; an answer that is no 2xx is an error with its text. */
  json<T>(path: string, init?: RequestInit, copy?: number): Promise<T>;
  /** Ends workerd and frees its ports. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs a module in workerd on a free port of this machine. Nothing is asked from the network. */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const { entry, copies = 1, persistTo } = options;
  const { code } = typeof entry === "object" && "code" in entry ? entry : await bundleWorker(entry);
  const flags = [...(options.compatibilityFlags ?? []), ...(options.nodejsCompat === true ? ["nodejs_compat"] : [])];
  const worker = (copy: number): object => ({
    ...options.worker,
    name: nameOf(copy),
    modules: [{ type: "ESModule", path: "worker.mjs", contents: code }],
    compatibilityDate: options.compatibilityDate ?? COMPATIBILITY_DATE,
    compatibilityFlags: flags,
    ...(copy === 0 ? {} : { durableObjects: ofFirst(options.worker?.durableObjects) }),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  });
  const { Miniflare: Server } = createRequire(import.meta.url)("miniflare") as { readonly Miniflare: new (options: object) => Miniflare };
  const miniflare = new Server({
    host: "127.0.0.1",
    port: 0,
    // Else Miniflare asks the network for the properties of a request.
    cf: false,
    workers: Array.from({ length: copies }, (_, copy) => worker(copy)),
    ...(persistTo === undefined ? {} : { durableObjectsPersist: persistTo, kvPersist: persistTo, cachePersist: persistTo }),
  });
  const url = (await miniflare.ready).href.replace(/\/$/, "");
  const addresses = copies === 1 ? [url] : await Promise.all(Array.from({ length: copies }, async (_, copy) => (await miniflare.unsafeGetDirectURL(nameOf(copy))).href.replace(/\/$/, "")));
  let stopped: Promise<void> | undefined;
  // workerd closes idle connections; one that was idle for long is not used again.
  const dispatcher = new Agent({ keepAliveTimeout: 500, keepAliveMaxTimeout: 500 });
  const request = (path: string, init?: RequestInit, copy = 0): Promise<Response> => send(`${addresses[copy]}${path}`, { ...(init as object), dispatcher }) as unknown as Promise<Response>;
  const stop = (): Promise<void> => (stopped ??= Promise.all([miniflare.dispose(), dispatcher.destroy()]).then(() => undefined));
  return {
    miniflare,
    url,
    fetch: request,
    async json<T>(path: string, init?: RequestInit, copy?: number): Promise<T> {
      const response = await request(path, init, copy);
      const text = await response.text();
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 2000)}`);
      return JSON.parse(text) as T;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function nameOf(copy: number): string {
  return copy === 0 ? "worker" : `worker-${copy}`;
}

/** The same objects, seen from another worker. */
function ofFirst(objects: WorkerBindings["durableObjects"] = {}): Record<string, ObjectDesignator> {
  return Object.fromEntries(Object.entries(objects).map(([binding, designator]) => [
    binding,
    { ...(typeof designator === "string" ? { className: designator } : designator), scriptName: nameOf(0) },
  ]));
}
