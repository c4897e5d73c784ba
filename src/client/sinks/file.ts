/** Events as JSON lines in a file, on Node, Bun and Deno. */

import { checkInteger, checkString } from "../../core/check.ts";
import { checked, configError } from "../errors.ts";
import type { TraceSink } from "../events.ts";

interface Fs {
  appendFile(path: string, text: string, options: { mode: number }): Promise<void>;
  stat(path: string): Promise<{ size: number }>;
  rename(from: string, to: string): Promise<void>;
}

/** Lines waiting for the disk; beyond it they are dropped. */
const MAX_LINES = 10_000;

/**
 * One JSON object per line, readable by the owner alone (mode 0600). A file above `maxBytes` is renamed to `path.1`, and begun anew.
 * @throws StitchError `CONFIG_INVALID`, also where the platform has no files.
 */
export function fileSink(path: string, options: { readonly maxBytes?: number } = {}): TraceSink {
  checked("fileSink", () => checkString("path", path));
  const maxBytes = checked("fileSink", () => checkInteger("maxBytes", options.maxBytes ?? 10_485_760, 1));
  // Asked for at run time: an import would put a module of servers into every bundle.
  const platform = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process?.getBuiltinModule;
  const fs = platform?.("node:fs/promises") as Fs | undefined;
  if (fs === undefined) throw configError("fileSink", path, "used where there are files: Node 20.16, Bun or Deno");
  let lines: string[] = [];
  let writing: Promise<void> | undefined;
  let size: number | undefined;

  const drain = async (): Promise<void> => {
    while (lines.length > 0) {
      const text = lines.join("");
      lines = [];
      size ??= await fs.stat(path).then((found) => found.size, () => 0);
      if (size > 0 && size + text.length > maxBytes) {
        await fs.rename(path, `${path}.1`);
        size = 0;
      }
      await fs.appendFile(path, text, { mode: 0o600 });
      size += text.length;
    }
  };
  const flush = async (): Promise<void> => {
    while (writing !== undefined) await writing;
  };
  return {
    handle(event, { method, url, requestBody, responseBody }) {
      if (lines.length >= MAX_LINES) return;
      lines.push(`${JSON.stringify({ ...event, method, url, requestBody, responseBody })}\n`);
      writing ??= drain().catch(() => undefined).finally(() => {
        writing = undefined;
      });
    },
    flush,
    close: flush,
  };
}
