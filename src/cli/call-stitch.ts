/** `sluice call`: one call from the command line. Result on standard output, events on standard error. */

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as client from "../client.ts";
import { importFile } from "./import-file.ts";
import { describeError } from "./load.ts";
import { progressLine } from "./progress-line.ts";

/** Flags whose value is no text that must stay as it was typed: those are read by {@link given}. */
export interface CallFlags {
  readonly jsonl?: boolean;
  readonly timeout?: unknown;
  readonly as?: unknown;
}

/** Ends of the command. */
const FAILED = 1;
const USAGE = 2;

/** A wrong command line: nothing was called. */
class UsageError extends Error {}

export async function callStitch(target: string, flags: CallFlags): Promise<void> {
  try {
    const { stitch, close } = await find(target, flags.as === undefined ? undefined : String(flags.as));
    try {
      process.exitCode = (await call(stitch, inputOf(flags), flags.jsonl === true)) ? 0 : FAILED;
    } finally {
      await close();
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`sluice: ${error.message}\n`);
    process.exitCode = USAGE;
  }
}

type Call = client.Stitch<unknown, Record<string, unknown>>;

/** The stitch that `file#name` means; `name` may lead into what a function of no arguments gives. */
async function find(target: string, principal: string | undefined): Promise<{ readonly stitch: Call; readonly close: () => Promise<void> }> {
  const [path, name, ...more] = target.split("#");
  if (path === undefined || path === "" || name === undefined || name === "" || more.length > 0) throw new UsageError(`which stitch? Write file.ts#name, got "${target}"`);
  const file = resolve(path);
  if (!existsSync(file)) throw new UsageError(`${path}: no such file`);
  let found: unknown;
  try {
    found = await importFile(file);
  } catch (error) {
    throw new UsageError(describeError(error, file));
  }
  const seams: client.Seam[] = [];
  const names = name.split(".");
  for (const [i, part] of names.entries()) {
    const keys = Object.keys(found as object);
    if (!Object.hasOwn(found as object, part)) throw new UsageError(`${path} has no ${names.slice(0, i + 1).join(".")} (it has ${keys.join(", ") || "no exports"})`);
    found = (found as Record<string, unknown>)[part];
    if (typeof found === "function" && !client.isStitch(found)) found = await (found as (principal?: string) => unknown)(principal);
    if (typeof found !== "object" && typeof found !== "function") break;
    if (client.isSeam(found)) seams.push(found);
    else if (!client.isStitch(found) && found !== null) seams.push(...Object.values(found).filter((value) => client.isSeam(value)));
  }
  if (!client.isStitch(found)) throw new UsageError(`${target} is no stitch`);
  return { stitch: found as unknown as Call, close: async () => void (await Promise.allSettled(seams.map((seam) => seam.close()))) };
}

function inputOf({ timeout }: CallFlags): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const slot of ["params", "query"]) {
    const values = given(`--${slot}.`);
    if (values.length > 0) input[slot] = Object.fromEntries(values.map(([name]) => [name, single(values.filter(([other]) => other === name).map(([, value]) => value))]));
  }
  const body = given("--body").at(-1)?.[1];
  if (body !== undefined) input["body"] = bodyOf(body);
  const headers = given("--header").map(([, line]) => {
    const match = /^([^:\s]+):\s*(.*)$/s.exec(line);
    if (match === null) throw new UsageError("--header must be name:value");
    return [match[1] as string, match[2] as string] as const;
  });
  if (headers.length > 0) input["headers"] = Object.fromEntries(headers);
  if (timeout !== undefined) {
    const ms = Number(timeout);
    if (!Number.isFinite(ms) || ms <= 0) throw new UsageError(`--timeout must be a number of milliseconds above 0, got "${String(timeout)}"`);
    input["signal"] = AbortSignal.timeout(ms);
  }
  return input;
}

/** Values of a flag as they were typed, since a parser of flags makes 7 of `007`. A prefix that ends in a dot gives names, too. */
function given(flag: string): (readonly [name: string, value: string])[] {
  const found: (readonly [string, string])[] = [];
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (!arg.startsWith(flag)) continue;
    const eq = arg.indexOf("=");
    const name = arg.slice(flag.length, eq === -1 ? undefined : eq);
    if (flag.endsWith(".") ? name === "" : name !== "") continue;
    const value = eq === -1 ? args[++i] : arg.slice(eq + 1);
    if (value === undefined) throw new UsageError(`${arg} needs a value`);
    found.push([name, value]);
  }
  return found;
}

function single(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? (values[0] as string) : values;
}

function bodyOf(typed: string): unknown {
  const file = typed.startsWith("@") ? typed.slice(1) : undefined;
  if (file !== undefined && !existsSync(file)) throw new UsageError(`--body: ${file}: no such file`);
  const text = typed === "-" ? readFileSync(0, "utf8") : file === undefined ? typed : readFileSync(file, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function call(stitch: Call, input: Record<string, unknown>, jsonl: boolean): Promise<boolean> {
  const line = progressLine(process.stderr);
  const bar = (progress: { direction: string; loadedBytes: number; totalBytes?: number }): void => line.bytes(progress);
  const streams = stitch.config["kind"] === "sse" || stitch.config["kind"] === "stream";
  let ok = false;
  for await (const event of stitch.stream({ ...input, ...(jsonl ? {} : { onProgress: bar }) })) {
    const { data, ...facts } = event as client.StitchEvent & { readonly data?: unknown };
    if (jsonl) process.stderr.write(`${JSON.stringify(facts)}\n`);
    else line.event(facts);
    if (event.type === "done") ok = event.ok;
    if (event.type === "delta" || (event.type === "result" && !streams)) {
      line.clear();
      print(data, jsonl);
    }
  }
  line.clear();
  return ok;
}

function print(data: unknown, jsonl: boolean): void {
  if (data === undefined) return;
  if (data instanceof Uint8Array) process.stdout.write(data);
  else if (typeof data === "string") process.stdout.write(jsonl ? `${JSON.stringify(data)}\n` : data.endsWith("\n") ? data : `${data}\n`);
  else process.stdout.write(`${jsonl ? JSON.stringify(data) : JSON.stringify(data, null, 2)}\n`);
}
