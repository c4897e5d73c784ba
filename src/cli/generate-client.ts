/** `sluice generate client` and `sluice types`: source text for an OpenAPI document. */

import { readFileSync, writeFileSync } from "node:fs";
import { openApiSource, openApiTypes, type OpenApiSource } from "../client.ts";

export interface GenerateFlags {
  readonly output?: unknown;
  readonly name?: unknown;
  readonly validate?: boolean;
}

export function generateClient(what: string, path: string, { output, name, validate }: GenerateFlags): void {
  if (what !== "client") throw new Error(`generate: there is nothing called "${what}" to generate, only "client"`);
  write(openApiSource(read(path), { ...(name === undefined ? {} : { name: String(name) }), validate: validate !== false }), output === undefined ? undefined : String(output));
}

export function writeTypes(path: string, { output }: GenerateFlags): void {
  write(openApiTypes(read(path)), output === undefined ? path.replace(/(?:\.json)?$/i, ".d.ts") : String(output));
}

function read(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new Error(`${path}: no such file`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: no JSON${/\.ya?ml$/i.test(path) ? "; convert YAML first" : `: ${(error as Error).message}`}`, { cause: error });
  }
}

function write({ source, warnings }: OpenApiSource, output: string | undefined): void {
  for (const warning of warnings) process.stderr.write(`warning  ${warning}\n`);
  if (output === undefined || output === "-") process.stdout.write(source);
  else {
    writeFileSync(output, source);
    process.stderr.write(`${output}: written\n`);
  }
}
