/** Serves the conformance router in the runtime that runs this file, until its input ends. Needs `dist/`. */
import { conformanceAuthenticate, conformanceRouter, currentRuntime } from "../../dist/testing.js";

const runtime = currentRuntime();
const { serveSockets } = await import(`../../dist/runtimes/${runtime}/sockets.js`);
const server = await serveSockets(conformanceRouter(), { port: 0, authenticate: conformanceAuthenticate });
console.log(JSON.stringify({ url: server.url, runtime, capabilities: server.capabilities }));

if (runtime === "deno") for await (const _ of globalThis.Deno.stdin.readable);
else for await (const _ of process.stdin);
await server.close({ drainMs: 1000 });
