/** The commands of the client: `call`, `generate client`, `types`. Each loads what it needs when it runs. */

import type { CAC } from "cac";
import type { CallFlags } from "./call-stitch.ts";
import type { GenerateFlags } from "./generate-client.ts";

export function addClientCommands(cli: CAC): void {
  cli
    .command("call <stitch>", "Call a stitch of a module: file.ts#name, with a member of an object as name.member")
    .option("--params.* <value>", "A variable of the URL")
    .option("--query.* <value>", "A parameter of the query")
    .option("--body [value]", "The body: JSON or text, @file, or - for standard input")
    .option("--header <key:value>", "A header; may be repeated")
    .option("--jsonl", "Events on standard error as JSON lines, and streams as one item a line")
    .option("--timeout <ms>", "Deadline of the call")
    .option("--as <principal>", "The principal, for a stitch of a function that takes one")
    .action((stitch: string, flags: CallFlags) => import("./call-stitch.ts").then(({ callStitch }) => callStitch(stitch, flags)));
  cli
    .command("generate <what> <document>", "Write stitches for an OpenAPI document: generate client openapi.json")
    .option("-o, --output <file>", "File to write (default: standard output)")
    .option("--name <name>", "Name of the function that makes the stitches (default: the document's title)")
    .option("--no-validate", "Types alone, without checks when the stitches run")
    .action((what: string, document: string, flags: GenerateFlags) => import("./generate-client.ts").then(({ generateClient }) => generateClient(what, document, flags)));
  cli
    .command("types <document>", "Write the types of fromOpenApi's stitches for an OpenAPI document")
    .option("-o, --output <file>", "File to write (default: the document's name with .d.ts)")
    .action((document: string, flags: GenerateFlags) => import("./generate-client.ts").then(({ writeTypes }) => writeTypes(document, flags)));
}
