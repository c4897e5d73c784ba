/** The command line as a user has it: built, in a process of its own, on a file in a folder where nothing is installed. */

import { type ChildProcess, spawn } from "node:child_process";
import { type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../servers/process.ts";

const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
let folder: string;
let file: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-cli-"));
  file = join(folder, "gateway.ts");
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => end(child)));
  rmSync(folder, { recursive: true, force: true });
});

/** A gateway file whose answer and limit can be chosen. */
const source = (text: string, max = "2"): string => `import { rateLimit } from "sluice/gateway";
import type { GatewayConfig } from "sluice/gateway";

const max: number = ${max};
export default {
  routes: [{ path: "/a", pipeline: { policies: [rateLimit({ max, windowSeconds: 60 })], upstream: { type: "handler", handler: (c) => c.text("${text}") } } }],
} satisfies GatewayConfig;
`;

interface Command {
  readonly child: ChildProcess;
  output: string;
}

function sluice(...args: string[]): Command {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  const command: Command = { child, output: "" };
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (command.output += chunk.toString()));
  return command;
}

function exit(child: ChildProcess): Promise<number | null> {
  return child.exitCode !== null ? Promise.resolve(child.exitCode) : new Promise((resolve) => child.once("exit", resolve));
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await exit(child);
}

async function listening(command: Command): Promise<string> {
  await until(`listening, said: ${command.output}`, () => command.output.includes("listening on "));
  return /listening on (\S+?),?\s/.exec(command.output)?.[1] as string;
}

const ask = async (url: string): Promise<[number, string]> => {
  const response = await fetch(`${url}/a`);
  return [response.status, response.status === 200 ? await response.text() : ((await response.json()) as { code: string }).code];
};

describe("sluice run", () => {
  it("serves a TypeScript file, logs each request, and ends gracefully", async () => {
    writeFileSync(file, source("one"));
    const command = sluice("run", "gateway.ts", "--port", "0");
    const url = await listening(command);
    expect(await ask(url)).toEqual([200, "one"]);
    await until("a log line", () => /GET\s+\/a\s+200/.test(command.output));
    command.child.kill("SIGTERM");
    expect(await exit(command.child)).toBe(0);
  });

  it("gives a file every entry of the package, each the very copy that serves it", async () => {
    const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { exports: Record<string, unknown> };
    const entries = Object.keys(exports).filter((name) => name !== "./package.json").map((name) => `sluice${name.slice(1)}`);
    const imports = entries.map((entry, i) => `import * as entry${i} from "${entry}";`).join("\n");
    writeFileSync(file, `${imports}
const count: number = [${entries.map((_, i) => `entry${i}`)}].filter((entry) => Object.keys(entry).length > 0).length;
${source("text").replace('c.text("text")', "c.text(String(count))")}`);
    expect(await ask(await listening(sluice("run", "gateway.ts", "--port", "0")))).toEqual([200, String(entries.length)]);
  });

  it.each([
    ["a syntax error", "export default {\n  routes: [,;\n};\n", /gateway\.ts:2:\d+: syntax error/],
    ["a thrown error", 'const a: number = 1;\nthrow new Error("boom");\n', /gateway\.ts:2:\d+: boom/],
    ["a bad option", source("x", "0 / 0"), /gateway\.ts:6:\d+: .*max must be an integer.*NaN/],
    ["a missing package", 'import x from "not-installed";\nexport default x;\n', /cannot find "not-installed"\n {2}run `npm install not-installed`/],
    ["no default export", "export const a = 1;\n", /there is no default export\n {2}export a config/],
    ["no routes", "export default { routes: [] };\n", /route/],
  ])("says where and what is wrong with %s, and exits with 1", async (_, text, message) => {
    writeFileSync(file, text);
    const command = sluice("run", "gateway.ts", "-p", "0");
    expect(await exit(command.child)).toBe(1);
    expect(command.output).toMatch(message);
    expect(command.output).not.toMatch(/node_modules|at async/);
  });

  it("says in one line that a file is missing, a port is taken, an option or a command unknown", async () => {
    writeFileSync(file, source("one"));
    const first = sluice("run", "gateway.ts", "-p", "0");
    const { port } = new URL(await listening(first));
    for (const [args, message] of [
      [["run", "nope.ts"], /^sluice: .*nope\.ts: no such file\n$/],
      [["run", "gateway.ts", "-p", port], /^sluice: port \d+ is in use; .*\n$/],
      [["run", "gateway.ts", "-p", "abc"], /^sluice: --port must be .*"abc"\n$/],
      [["run", "gateway.ts", "--prot", "1"], /^sluice: Unknown option `--prot`\n$/],
      [["serve"], /^sluice: unknown command "serve"\n$/],
    ] as const) {
      const command = sluice(...args);
      expect(await exit(command.child)).toBe(1);
      expect(command.output).toMatch(message);
    }
  });
});

describe("sluice dev", () => {
  it("applies a saved edit without losing counts, and keeps the last good gateway after a broken one", async () => {
    writeFileSync(file, source("one"));
    const command = sluice("dev", "gateway.ts", "-p", "0");
    const url = await listening(command);
    expect(await ask(url)).toEqual([200, "one"]);

    writeFileSync(file, source("two"));
    await until("a reload", () => command.output.includes("reloaded after a change"));
    expect(await ask(url)).toEqual([200, "two"]);
    expect(await ask(url)).toEqual([429, "rate_limited"]);

    writeFileSync(file, source("three", ";"));
    await until("a refusal", () => /gateway\.ts:4:\d+: syntax error[\s\S]*not reloaded/.test(command.output)).catch((error: unknown) => {
      throw new Error(command.output, { cause: error });
    });
    expect(await ask(url)).toEqual([429, "rate_limited"]);

    writeFileSync(file, source("four", "50"));
    await until("another reload", () => command.output.split("reloaded after a change").length === 3);
    expect(await ask(url)).toEqual([200, "four"]);
  });
});

describe("sluice check, routes and init", () => {
  const run = async (...args: string[]): Promise<{ code: number | null; output: string }> => {
    const command = sluice(...args);
    // `exit` may come before the last of the output.
    const code = await new Promise<number | null>((resolve) => command.child.once("close", resolve));
    return { code, output: command.output };
  };

  it("init writes a file that check finds fine, routes lists, and dev serves with a dashboard", async () => {
    expect((await run("init")).code).toBe(0);
    expect(await run("check", "gateway.ts")).toEqual({ code: 0, output: "gateway.ts: ok, 2 routes\n" });
    const { output } = await run("routes", "gateway.ts");
    expect(output).toMatch(/^METHODS +PATH +POLICIES +UPSTREAM\nGET +\/health +rate-limit +handler\nGET +\/hello\/:name +rate-limit +handler\n$/);
    expect(JSON.parse((await run("routes", "gateway.ts", "--json")).output)).toMatchObject([{ path: "/health" }, { path: "/hello/:name" }]);
    expect((await run("init")).output).toContain("exists already");
    const dev = sluice("dev", "gateway.ts", "-p", "0");
    const url = await listening(dev);
    expect(await (await fetch(`${url}/hello/you`)).json()).toEqual({ hello: "you" });
    const page = await fetch(`${url}/___gateway/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("my-gateway")]);
    expect((await fetch(`${url}/___gateway/`, { headers: { "x-forwarded-for": "127.0.0.1" } })).status).toBe(403);
  });

  it("check tells every issue and warning, and exits with 1", async () => {
    writeFileSync(file, `export default { nmae: "x", routes: [{ path: "no-slash", pipeline: { upstream: { type: "handler", handler: () => new Response() } } }] };\n`);
    const bad = await run("check", "gateway.ts");
    expect(bad.code).toBe(1);
    expect(bad.output).toContain('did you mean "name"');
    expect(bad.output).toContain('error    routes[0]: "path" of routes[0] must be a path starting with "/", got "no-slash"');
    const route = (path: string): string => `{ path: "${path}", pipeline: { upstream: { type: "handler", handler: () => new Response() } } }`;
    writeFileSync(file, `export default { routes: [${route("/*")}, ${route("/a")}] };\n`);
    const warned = await run("check", "gateway.ts");
    expect([warned.code, warned.output]).toEqual([0, expect.stringMatching(/^warning {2}routes\[1\]\.path: "\/a" stands behind the wildcard "\/\*".*\n.*ok, 2 routes, 1 warning\n$/)]);
  });
});

describe("run with an address", () => {
  const remote = async (answer: (response: ServerResponse) => void): Promise<{ url: string; stop: () => void }> => {
    const server = createServer((_request, response) => answer(response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/shop.ts`, stop: () => server.close() };
  };

  it("is refused without --trust-remote, and then nothing is fetched", async () => {
    let asked = 0;
    const { url, stop } = await remote((response) => (asked++, response.end(source("remote"))));
    const refused = sluice("run", url, "-p", "0");
    expect(await exit(refused.child)).toBe(1);
    expect([refused.output, asked]).toEqual([expect.stringMatching(/^sluice: http.*add --trust-remote\n$/), 0]);
    stop();
  });

  it("serves what it was told to trust, and says which", async () => {
    const { url, stop } = await remote((response) => response.end(source("remote")));
    const command = sluice("run", url, "-p", "0", "--trust-remote");
    const at = await listening(command);
    expect(command.output).toContain(`sluice run: ${url}\n`);
    expect(await (await fetch(`${at}/a`)).text()).toBe("remote");
    stop();
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ["an error", (response) => response.writeHead(404).end(), /answered 404\n$/],
    ["a way to elsewhere", (response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(), /cannot be fetched/],
    ["too much", (response) => response.end("x".repeat(2 ** 21)), /longer than 1048576 bytes\n$/],
  ])("says in a line that it got %s", async (_name, answer, says) => {
    const { url, stop } = await remote(answer);
    const command = sluice("run", url, "-p", "0", "--trust-remote");
    expect(await exit(command.child)).toBe(1);
    expect(command.output).toMatch(says);
    stop();
  });
});

it("-v prints what happens inside", async () => {
  writeFileSync(file, 'export default { routes: [{ path: "/a", pipeline: { upstream: { type: "handler", handler: () => { throw new Error("inner") } } } }] };');
  const command = sluice("run", "gateway.ts", "-p", "0", "-v");
  const at = await listening(command);
  await fetch(`${at}/a`);
  await until("the event", () => command.output.includes('error {"code":"internal_error"'));
  expect(command.output).toContain('"error":"inner"');
});
