import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { GATEWAY_ERROR_CODES } from "./errors.ts";

const root = new URL("../../", import.meta.url).pathname;
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const sources = readdirSync(join(root, "src"), { recursive: true })
  .map((file) => join("src", String(file)))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.startsWith("src/testing/"));

/** First cells of the table under a heading of docs/errors.md, in order. */
function documented(heading: string): string[] {
  const section = read("docs/errors.md").split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| `([A-Za-z_]+)` \|/gm)].map((match) => match[1] as string);
}

/** Members of a union of string literals, from the text of its declaration. */
function union(file: string, type: string): string[] {
  const body = new RegExp(`export type ${type} =([^;]*);`).exec(read(file))?.[1] ?? "";
  return [...body.matchAll(/"([A-Z_]+)"/g)].map((match) => match[1] as string);
}

/** What the sources say beside the declaration itself. */
function used(pattern: RegExp, declaration: string): Set<string> {
  const codes = new Set<string>();
  for (const file of sources) if (file !== declaration) for (const match of read(file).matchAll(pattern)) codes.add(match[1] as string);
  return codes;
}

const sorted = (codes: Iterable<string>): string[] => [...codes].sort();

describe("docs/errors.md", () => {
  it("lists the gateway's codes, and the gateway's code uses just these", () => {
    const made = new Set<string>();
    for (const file of sources) {
      for (const match of read(file).matchAll(/(?:(?:new GatewayError|problemResponse)\(\s*[^"()]*?|\brefused\(\d{3}),\s*"([a-z_]+)"/g)) made.add(match[1] as string);
    }
    // Auth policies make their 401 by a function of their own, which adds the challenge.
    for (const file of sources) for (const match of read(file).matchAll(/\bunauthorized\("([a-z_]+)"/g)) made.add(match[1] as string);
    expect(sorted(made)).toEqual(sorted(GATEWAY_ERROR_CODES));
    expect(documented("Gateway")).toEqual([...GATEWAY_ERROR_CODES]);
    expect(new Set(GATEWAY_ERROR_CODES).size).toBe(GATEWAY_ERROR_CODES.length);
  });

  it("gives each of them the status it is made with", () => {
    const statuses = new Map([...read("docs/errors.md").matchAll(/^\| `([a-z_]+)` \| (\d{3}(?:, \d{3})*) \|/gm)].map((match) => [match[1], match[2]]));
    for (const file of sources) {
      for (const match of read(file).matchAll(/new GatewayError\(\s*(?:config\.\w+ \?\? )?(\d{3}),\s*"([a-z_]+)"/g)) expect(`${match[2]} ${statuses.get(match[2] as string)}`).toMatch(new RegExp(`^${match[2]} .*${match[1]}`));
    }
    expect(statuses.size).toBe(GATEWAY_ERROR_CODES.length);
  });

  it("lists the codes of the state layer, each of which something raises", () => {
    const codes = union("src/core/errors.ts", "StateErrorCode");
    expect(codes.length).toBeGreaterThan(10);
    expect(documented("Stores")).toEqual(codes);
    const raised = used(/StoreError\(\s*"([A-Z_]+)"/g, "");
    for (const match of read("src/core/errors.ts").matchAll(/code = "([A-Z_]+)"/g)) raised.add(match[1] as string);
    for (const match of read("src/state/guard.ts").matchAll(/plain\("([A-Z_]+)"/g)) raised.add(match[1] as string);
    expect(sorted(raised)).toEqual(sorted(codes));
  });

  it("says of each whether the guard counts it as a failure", () => {
    const answers = /const ANSWERS[^[]*\[([^\]]*)\]/.exec(read("src/state/guard.ts"))?.[1] ?? "";
    const harmless = [...answers.matchAll(/"([A-Z_]+)"/g)].map((match) => match[1] as string);
    const documentedAsNo = [...read("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \| [^|]* \| no \|/gm)].map((match) => match[1] as string);
    // An OptionError is no StoreError, and about the arguments by its class.
    expect(sorted(documentedAsNo.filter((code) => !code.startsWith("CONNECT") && !code.startsWith("REQUEST")))).toEqual(sorted([...harmless, "CONFIG_INVALID"]));
  });

  it("lists the transport's codes, each of which something raises", () => {
    const codes = union("src/core/transport.ts", "TransportErrorCode");
    expect(documented("Transport")).toEqual(codes);
    const raised = used(/"((?:CONNECT|HEADERS|BODY|RESPONSE|REQUEST)_[A-Z_]+)"/g, "src/core/transport.ts");
    for (const code of codes) expect(raised).toContain(code);
  });

  it("says which transport errors are a timeout to the gateway's caller", () => {
    const timeouts = [...read("src/gateway/upstreams/forward.ts").matchAll(/case "([A-Z_]+)":/g)].map((match) => match[1] as string);
    const rows = [...read("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \|.*504 `upstream_timeout` \|$/gm)].map((match) => match[1] as string);
    expect(sorted(rows)).toEqual(sorted(timeouts));
  });
});
