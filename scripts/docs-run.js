/**
 * `node docs-run.js RESULTS FILE…`: runs compiled blocks of the documents one after the other in one process, since starting
 * a process and loading the package costs far more than a block does. Each that has ended is a line in RESULTS: nothing, or
 * what went wrong. A block that ends the process ends it for the parent to see.
 */
import { appendFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [results, ...files] = process.argv.slice(2);
let stray;
for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, (error) => (stray ??= error));

for (const file of files) {
  stray = undefined;
  let failure;
  try {
    await import(pathToFileURL(file).href);
    // What a block has left running may fail a moment later.
    await new Promise((resolve) => setTimeout(resolve, 1));
    failure = stray;
  } catch (error) {
    failure = error;
  }
  appendFileSync(results, `${JSON.stringify(failure === undefined ? "" : String(failure?.stack ?? failure))}\n`);
}
process.exit(0);
