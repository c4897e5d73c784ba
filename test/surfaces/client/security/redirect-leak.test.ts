/** A redirect to another origin takes every credential off, and the way home does not bring one back. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { apiKey, awsSigV4, basic, bearer, cookieSession, oauth2, seam, stitch, type AuthStrategy } from "../../../../src/client.ts";
import { upstream } from "./helpers.ts";

const CANARY = "canary-5ecret";
let home: Awaited<ReturnType<typeof upstream>>;
let other: Awaited<ReturnType<typeof upstream>>;

beforeAll(async () => {
  home = await upstream(({ url, body }, response) => {
    if (url.startsWith("/token")) return void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ access_token: CANARY, token_type: "Bearer" }));
    if (url.startsWith("/login")) return void response.writeHead(200, { "set-cookie": `sid=${CANARY}; Path=/` }).end(body);
    if (url.startsWith("/go")) return void response.writeHead(307, { location: `${other.origin}/away` }).end();
    if (url.startsWith("/same")) return void response.writeHead(302, { location: "/home" }).end();
    response.writeHead(200, { "content-type": "application/json" }).end("1");
  });
  // `localhost` and 127.0.0.1 are different hosts; so are two ports.
  other = await upstream((_, response) => void response.writeHead(302, { location: `${home.origin}/home` }).end());
});
afterAll(() => {
  home.stop();
  other.stop();
});

const strategies: [string, (origin: string) => AuthStrategy][] = [
  ["bearer", () => bearer(CANARY)],
  ["basic", () => basic({ user: "u", pass: CANARY })],
  ["apiKey in a header", () => apiKey({ name: "x-own-key", value: CANARY })],
  ["apiKey in the query", () => apiKey({ in: "query", name: "own", value: CANARY })],
  ["apiKey in a cookie", () => apiKey({ in: "cookie", name: "own", value: CANARY })],
  ["oauth2", (origin) => oauth2({ tokenUrl: `${origin}/token`, clientId: "c", clientSecret: CANARY })],
  ["awsSigV4", () => awsSigV4({ region: "r", service: "s", credentials: { accessKeyId: "AKIDCANARY", secretAccessKey: CANARY, sessionToken: CANARY } })],
  ["cookieSession", (origin) => cookieSession({ login: stitch({ method: "POST", url: `${origin}/login` }), credentials: () => ({}) })],
];

it.each(strategies)("%s", async (_, make) => {
  home.asked.length = other.asked.length = 0;
  const api = seam({ baseUrl: home.origin, auth: make(home.origin), headers: { "x-caller": CANARY, cookie: `c=${CANARY}`, "accept-language": "de" } }).as("anna");
  expect(await api.stitch("/go")()).toBe(1);
  const [away] = other.asked;
  const back = home.asked.at(-1);
  expect(away?.url).toBe("/away");
  expect(back?.url).toBe("/home");
  expect(JSON.stringify([away, back])).not.toContain(CANARY);
  expect(JSON.stringify([away, back])).not.toMatch(/authorization|x-amz|AKIDCANARY|Basic /i);
  expect(away?.headers["accept-language"]).toBe("de");
  // Within its origin a redirect keeps what it needs.
  home.asked.length = 0;
  expect(await api.stitch("/same")()).toBe(1);
  expect(home.asked.find(({ url }) => url.startsWith("/home"))?.headers["x-caller"]).toBe(CANARY);
});

it("a strategy's own list of origins gets its credential, and nothing else goes along", async () => {
  other.asked.length = 0;
  const auth = { ...bearer(CANARY), origins: [other.origin] };
  await seam({ baseUrl: home.origin, auth, headers: { "x-caller": "private" } }).stitch("/go")();
  expect(other.asked[0]?.headers["authorization"]).toBe(`Bearer ${CANARY}`);
  expect(other.asked[0]?.headers["x-caller"]).toBeUndefined();
});
