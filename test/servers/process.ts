/** Server processes for tests: own folder, own free port, gone when the test process is, however that ends. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface ServerProcess {
  readonly pid: number;
  readonly folder: string;
  /** Sends a signal to the server, and to nothing else. */
  signal(name: NodeJS.Signals): void;
  /** Ends the server; its folder stays for a restart unless told otherwise. */
  stop(options?: { keepFolder?: boolean }): Promise<void>;
}

/**
 * The keeper waits for the end of its standard input, which the system closes when the test process ends, also when it
 * is killed; then it ends the server it started. It runs in a session of its own, so Ctrl-C does not reach it first.
 */
const keeper = `"$@" >"$LOG" 2>&1 & pid=$!
echo $pid
cat >/dev/null
kill -CONT $pid 2>/dev/null; kill -TERM $pid 2>/dev/null
( sleep 5; kill -KILL $pid 2>/dev/null ) &
wait $pid 2>/dev/null
[ -e "$FOLDER/keep" ] || rm -rf "$FOLDER"`;

export function serverFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `sluice-${name}-`));
}

export async function startProcess(command: string, args: readonly string[], folder: string, user?: { uid: number; gid: number }): Promise<ServerProcess> {
  rmSync(join(folder, "keep"), { force: true });
  const child: ChildProcess = spawn("sh", ["-c", keeper, "keeper", command, ...args], {
    cwd: folder,
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"], LANG: "C", LOG: join(folder, "server.log"), FOLDER: folder },
    ...user,
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const pid = await new Promise<number>((resolve, reject) => {
    lines.once("line", (line) => resolve(Number(line)));
    child.once("error", reject);
  });
  lines.close();
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    pid,
    folder,
    signal: (name) => void process.kill(pid, name),
    async stop({ keepFolder = false } = {}) {
      if (keepFolder) writeFileSync(join(folder, "keep"), "");
      child.stdin?.end();
      await ended;
    },
  };
}

/** A port nobody listened on a moment ago. Whoever starts a server on it must check that the answer is its own. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** The path of a server binary. Installs the Debian package when that is possible, else fails with one line. */
export function serverBinary(name: string, debianPackage: string, places: readonly string[] = []): string {
  const find = (): string | undefined => [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", ...places].map((folder) => join(folder, name)).find(existsSync);
  const found = find();
  if (found !== undefined) return found;
  const message = `${name} is needed by the tests: install the package "${debianPackage}" (apt-get install ${debianPackage})`;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) throw new Error(message);
  try {
    const apt = (...args: string[]): void => void execFileSync("apt-get", ["-o", "DPkg::Lock::Timeout=300", "-qq", ...args], { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    apt("update");
    apt("install", "-y", "--no-install-recommends", debianPackage);
  } catch (cause) {
    throw new Error(message, { cause });
  }
  const installed = find();
  if (installed === undefined) throw new Error(message);
  return installed;
}

/** Asks until the answer is yes. */
export async function until(what: string, ask: () => Promise<boolean> | boolean, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    if (await (async () => ask())().catch(() => false)) return;
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
