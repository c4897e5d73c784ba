#!/usr/bin/env node
/** The `sluice` command. */

import { readFileSync } from "node:fs";
import { cac } from "cac";
import { asyncApiFile } from "./async-api-file.ts";
import { checkFile, listRoutes } from "./check-file.ts";
import { addClientCommands } from "./client-commands.ts";
import { initFile } from "./init-file.ts";
import { fetchFile, isRemote } from "./remote-file.ts";
import { serveFile } from "./serve-file.ts";

interface ServeFlags {
  readonly port?: unknown;
  readonly host?: unknown;
  readonly debug?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly trustRemote?: boolean;
}

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
const cli = cac("sluice");

cli
  .command("run <file>", "Serve a gateway file, or one at an address")
  .option("-p, --port <port>", "Port to listen on, 0 for a free one (default: 8787)")
  .option("-H, --host <host>", "Address to listen on (default: localhost)")
  .option("-d, --debug", "Print what the pipeline does")
  .option("-q, --quiet", "No line per request")
  .option("-v, --verbose", "Print what happens inside: stores, circuits, targets, errors")
  .option("--trust-remote", "Run a file from an http or https address")
  .action(async (file: string, flags: ServeFlags) => {
    const copy = isRemote(file) ? await fetchFile(file, flags.trustRemote === true) : undefined;
    // It is loaded once, so the copy can go at once.
    await serveFile(copy?.path ?? file, { ...address(flags), ...printing(flags), watch: false, ...(copy === undefined ? undefined : { shown: file, loaded: copy.remove }) });
  });

cli
  .command("dev <file>", "Serve a gateway file and load it again on every save")
  .option("-p, --port <port>", "Port to listen on, 0 for a free one (default: 8787)")
  .option("-H, --host <host>", "Address to listen on (default: localhost)")
  .option("-d, --debug", "Print what the pipeline does")
  .option("-q, --quiet", "No line per request")
  .option("-v, --verbose", "Print what happens inside: stores, circuits, targets, errors")
  .action((file: string, flags: ServeFlags) => serveFile(file, { ...address(flags), ...printing(flags), watch: true }));

cli
  .command("check <file>", "Say what is wrong with a gateway file, or looks wrong")
  .action((file: string) => checkFile(file));

cli
  .command("routes <file>", "List the routes of a gateway file")
  .option("--json", "As JSON")
  .action((file: string, flags: { readonly json?: boolean }) => listRoutes(file, flags.json === true));

cli
  .command("asyncapi <file>", "Print the messages of a sockets router as AsyncAPI 3")
  .option("--title <title>", "Title of the document (default: Sockets)")
  .option("--api-version <version>", "Version of the document (default: 1.0.0)")
  .action((file: string, flags: { readonly title?: unknown; readonly apiVersion?: unknown }) => asyncApiFile(file, { title: textOf(flags.title), version: textOf(flags.apiVersion) }));

cli
  .command("init [file]", "Write a small gateway file that works (default: gateway.ts)")
  .action((file: string | undefined) => initFile(file ?? "gateway.ts"));

addClientCommands(cli);

cli.help();
// `-v` is verbose here.
cli.version(version, "--version");

try {
  cli.parse(process.argv, { run: false });
  if (cli.matchedCommand === undefined && cli.options["help"] !== true && cli.options["version"] !== true) {
    if (cli.args.length > 0) throw new Error(`unknown command "${cli.args[0]}"`);
    cli.outputHelp();
    process.exitCode = 1;
  }
  await cli.runMatchedCommand();
} catch (error) {
  process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function address({ port = 8787, host = "localhost" }: ServeFlags): { port: number; hostname: string } {
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) throw new Error(`--port must be an integer from 0 to 65535, got "${String(port)}"`);
  return { port: number, hostname: String(host) };
}

function printing({ debug, quiet, verbose }: ServeFlags): { debug: boolean; lines: boolean; events: boolean } {
  return { debug: debug === true, lines: quiet !== true, events: verbose === true };
}

function textOf(flag: unknown): string | undefined {
  return flag === undefined ? undefined : String(flag);
}
