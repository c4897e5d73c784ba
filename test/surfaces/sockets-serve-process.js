/** Serves the conformance router in the runtime that runs this file, until its input ends. Needs `dist/`. */
import { decode, encode } from "@msgpack/msgpack";
import { jsonCodec, msgpackCodec } from "../../dist/sockets.js";
import { conformanceAuthenticate, conformanceRouter, currentRuntime } from "../../dist/testing.js";

const runtime = currentRuntime();
// The public entry of the runtime, as its users write it.
const { serve } = await import(`../../dist/${runtime}.js`);
const server = await serve(conformanceRouter({ codecs: [jsonCodec, msgpackCodec({ decode, encode })] }), { port: 0, authenticate: conformanceAuthenticate });
console.log(JSON.stringify({ url: server.url, runtime, capabilities: server.capabilities }));

if (runtime === "deno") for await (const _ of globalThis.Deno.stdin.readable);
else for await (const _ of process.stdin);
await server.close({ drainMs: 1000 });
