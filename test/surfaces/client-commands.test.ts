/** The commands of the client as a user has them: built, in a process of their own, in a folder of the user's. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
let folder: string;
let server: Server;
let origin: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-client-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/sluice"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const pets = [{ id: 1, name: "Rex", tag: null }];
  server = createServer((request, response) => {
    const url = new URL(request.url as string, "http://x");
    const json = (value: unknown, status = 200): void => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (request.headers["x-key"] === undefined && url.pathname !== "/v1/slow") return json({ title: "no key" }, 401);
    if (url.pathname === "/v1/pets" && request.method === "GET") return json(pets.slice(0, Number(url.searchParams.get("limit") ?? 10)));
    if (url.pathname === "/v1/pets" && request.method === "POST") {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        pets.push({ ...(JSON.parse(text) as { name: string }), id: pets.length + 1, tag: null });
        json(pets.at(-1), 201);
      });
      return;
    }
    if (url.pathname === "/v1/feed") return void response.writeHead(200, { "content-type": "text/event-stream" }).end('data: {"n":1}\n\ndata: {"n":2}\n\n');
    if (url.pathname === "/v1/slow") return;
    const pet = pets.find(({ id }) => url.pathname === `/v1/pets/${String(id).padStart(3, "0")}` || url.pathname === `/v1/pets/${id}`);
    return pet === undefined ? json({ title: "none" }, 404) : json({ ...pet, asked: url.pathname, key: request.headers["x-key"] });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(folder, "openapi.json"), JSON.stringify(document(origin)));
  writeFileSync(join(folder, "calls.ts"), `import { apiKey, seam } from "sluice/client";
const auth = apiKey({ name: "x-key", value: "canary-key" });
export const api = seam({ baseUrl: "${origin}/v1", auth, timeout: 20_000 });
export const pet = api.stitch("GET /pets/{id}");
export const addPet = api.stitch("POST /pets");
export const feed = api.stitch({ path: "/feed", kind: "sse" });
export const slow = api.stitch("GET /slow");
export const notOne = 1;
export function users(principal = "nobody") {
  return { api, pet: api.as(principal).stitch("GET /pets/{id}") };
}
`);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const document = (url: string): unknown => ({
  openapi: "3.1.0", info: { title: "Pet store", version: "1.0.0" }, servers: [{ url: `${url}/v1` }], security: [{ key: [] }],
  paths: {
    "/pets": {
      get: { operationId: "listPets", summary: "All pets", parameters: [{ name: "limit", in: "query", schema: { type: "integer" } }], responses: { 200: { description: "", content: { "application/json": { schema: { type: "array", items: { $ref: "#/components/schemas/Pet" } } } } } } },
      post: { operationId: "addPet", requestBody: { required: true, content: { "application/json": { schema: { $ref: "#/components/schemas/NewPet" } } } }, responses: { 201: { description: "", content: { "application/json": { schema: { $ref: "#/components/schemas/Pet" } } } } } },
    },
    "/pets/{pet-id}": { get: { operationId: "get-pet", parameters: [{ name: "pet-id", in: "path", required: true, schema: { type: "integer" } }], responses: { 200: { description: "", content: { "application/json": { schema: { $ref: "#/components/schemas/Pet" } } } } } } },
    "/feed": { get: { operationId: "feed", responses: { 200: { description: "", content: { "text/event-stream": { schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } } } } } } },
  },
  components: {
    securitySchemes: { key: { type: "apiKey", in: "header", name: "x-key" } },
    schemas: {
      NewPet: { type: "object", required: ["name"], properties: { name: { type: "string", description: "What it is called */ alert(1) /*" } } },
      Pet: { allOf: [{ $ref: "#/components/schemas/NewPet" }, { type: "object", required: ["id"], properties: { id: { type: "integer" }, tag: { type: ["string", "null"] }, kind: { enum: ["cat", "dog"] }, friends: { type: "array", items: { $ref: "#/components/schemas/Pet" } } } }] },
      Record: { type: "object", additionalProperties: { type: "number" } },
    },
  },
});

async function run(command: string, args: readonly string[], input = ""): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [command, ...args], { cwd: folder, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(input);
  const out = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (out.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (out.stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...out };
}
const sluice = (...args: string[]) => run(join(root, "dist/cli/main.js"), args);
const tsc = () => run(join(root, "node_modules/typescript/bin/tsc"), ["-p", "tsconfig.json"]);

describe("sluice generate client", () => {
  it.each([[[]], [["--no-validate"]]])("writes stitches whose types hold and which call the server (%j)", async (flags) => {
    const made = await sluice("generate", "client", "openapi.json", "-o", "pets.ts", ...flags);
    expect(made).toMatchObject({ code: 0, stdout: "" });
    const text = readFileSync(join(folder, "pets.ts"), "utf8");
    expect(text).toContain("export function petStore(");
    expect(text.includes("jsonSchema<")).toBe(flags.length === 0);
    writeFileSync(join(folder, "use.ts"), `import { apiKey } from "sluice/client";
import { petStore, type Pet } from "./pets.ts";

const pets = petStore({ auth: apiKey({ name: "x-key", value: "k" }) });
const all: Pet[] = await pets.listPets({ query: { limit: 1 } });
const added: Pet = await pets.addPet({ body: { name: "Tom" } });
const one: Pet = await pets["get-pet"]({ params: { pet_id: added.id } });
const tag: string | null | undefined = one.tag;
const numbers: number[] = (await pets.feed()).map((item) => item.n);
// @ts-expect-error a name is a text
void pets.addPet({ body: { name: 1 } }).stream;
// @ts-expect-error the variable must be given
void pets["get-pet"]({}).stream;
console.log(JSON.stringify([all[0]?.name, one.name, tag, numbers]));
await pets.api.close();
`);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { strict: true, noEmit: true, target: "es2022", module: "nodenext", lib: ["es2023", "dom", "esnext.disposable"], allowImportingTsExtensions: true, noUnusedLocals: true, noUnusedParameters: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, skipLibCheck: false, types: [], verbatimModuleSyntax: true }, files: ["pets.ts", "use.ts"] }));
    expect(await tsc()).toMatchObject({ stdout: "", code: 0 });
    const { createJiti } = await import("jiti");
    const lines: string[] = [];
    const log = console.log;
    console.log = (line: string) => void lines.push(line);
    try {
      await createJiti(folder, { moduleCache: false, fsCache: false }).import(join(folder, "use.ts"));
    } finally {
      console.log = log;
    }
    expect(JSON.parse(lines[0] as string)).toEqual(["Rex", "Tom", null, [1, 2]]);
  });

  it("types are those of fromOpenApi's stitches", async () => {
    expect(await sluice("types", "openapi.json")).toMatchObject({ code: 0 });
    writeFileSync(join(folder, "use.ts"), `import { apiKey, fromOpenApi, seam } from "sluice/client";
import type { Pet, Stitches } from "./openapi.js";

const { stitches } = fromOpenApi<Stitches>({}, { seam: seam({}), auth: { key: apiKey({ value: "k" }) } });
export const pets: Promise<Pet[]> = stitches.listPets({ query: { limit: 1 } }).finally();
// @ts-expect-error the variable must be given
stitches["get-pet"]({});
`);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { strict: true, noEmit: true, target: "es2022", module: "nodenext", lib: ["es2023", "dom", "esnext.disposable"], types: [] }, files: ["openapi.d.ts", "use.ts"] }));
    expect(await tsc()).toMatchObject({ stdout: "", code: 0 });
  });

  it("says what is wrong with a document", async () => {
    writeFileSync(join(folder, "bad.json"), '{"openapi":"3.1.0","paths":{"/":{"$ref":"https://elsewhere.test/x"}}}');
    expect(await sluice("generate", "client", "bad.json")).toMatchObject({ code: 1, stderr: expect.stringContaining("points outside of the document") as string });
    expect(await sluice("generate", "client", "missing.json")).toMatchObject({ code: 1, stderr: expect.stringContaining("no such file") as string });
    expect(await sluice("generate", "server", "openapi.json")).toMatchObject({ code: 1, stderr: expect.stringContaining('only "client"') as string });
  });
});

describe("sluice call", () => {
  it("prints the result, tells events beside it, and keeps text as it was typed", async () => {
    const { code, stdout, stderr } = await sluice("call", "calls.ts#pet", "--params.id", "001");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ id: 1, asked: "/v1/pets/001" });
    expect(stdout.split("\n").length).toBeGreaterThan(3);
    expect(stderr).toMatch(/ms {2}start .*\/v1\/pets\/001/);
    expect(stderr).not.toContain("canary");
  });

  it("body from a file and from standard input, headers, queries", async () => {
    writeFileSync(join(folder, "pet.json"), '{"name":"Kim"}');
    expect(JSON.parse((await sluice("call", "calls.ts#addPet", "--body", "@pet.json")).stdout)).toMatchObject({ name: "Kim" });
    expect(JSON.parse((await run(join(root, "dist/cli/main.js"), ["call", "calls.ts#addPet", "--body", "-", "--query.a=1", "--header", "x-extra: 1"], '{"name":"Lea"}')).stdout)).toMatchObject({ name: "Lea" });
  });

  it("streams item by item, with events as lines of JSON", async () => {
    const { code, stdout, stderr } = await sluice("call", "calls.ts#feed", "--jsonl");
    expect(code).toBe(0);
    expect(stdout).toBe('{"n":1}\n{"n":2}\n');
    expect(stderr.trim().split("\n").map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(expect.arrayContaining(["start", "delta", "result", "done"]));
  });

  it("a function that takes a principal", async () => {
    expect(JSON.parse((await sluice("call", "calls.ts#users.pet", "--params.id", "1", "--as", "anna")).stdout)).toMatchObject({ id: 1 });
  });

  it("1 for a call that failed, 2 for a command line that is wrong", async () => {
    const failed = await sluice("call", "calls.ts#pet", "--params.id", "99");
    expect(failed).toMatchObject({ code: 1, stdout: "" });
    expect(failed.stderr).toContain("HTTP_STATUS");
    expect(failed.stderr).not.toContain("canary");
    expect(await sluice("call", "calls.ts#slow", "--timeout", "300")).toMatchObject({ code: 1, stderr: expect.stringContaining("ABORTED") as string });
    const wrong = [["calls.ts#missing"], ["calls.ts"], ["nofile.ts#x"], ["calls.ts#notOne"], ["calls.ts#pet", "--timeout", "soon"], ["calls.ts#pet", "--header", "nothing"], ["calls.ts#addPet", "--body", "@nofile"]];
    const ends = await Promise.all(wrong.map((args) => sluice("call", ...args)));
    expect(ends.map(({ code, stdout }) => [code, stdout])).toEqual(wrong.map(() => [2, ""]));
  });
});
