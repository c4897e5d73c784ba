/** What the client does on every runtime: cases without a test framework, run inside each. `base` is a server of the adapter contract. */

import {
  aesGcm, all, any, apiKey, awsSigV4, basic, bearer, cookieSession, download, isStitchError, linkHeader, linked, oauth2, seam, stitch, toOpenApi, jsonSchema, fetchAdapter, type StitchError,
} from "sluice/client";
import { collectEvents, failStitch, manualClock, mockAdapter, sseBody, stubStitch, verifyAdapterContract, verifyAuthContract } from "sluice/testing";

export interface CaseResult {
  readonly name: string;
  readonly failed?: string;
}

function same(actual: unknown, expected: unknown, what = "value"): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

async function codeOf(call: { safe(): Promise<{ ok: boolean; error?: StitchError }> }): Promise<string | undefined> {
  const { error } = await call.safe();
  if (error !== undefined && !isStitchError(error)) throw new Error(`not a StitchError: ${String(error)}`);
  return error?.code;
}

type Case = (base: string) => Promise<void>;

export const cases: Readonly<Record<string, Case>> = {
  async "the default way out asks, posts and reads"(base) {
    const api = seam({ baseUrl: base });
    same(((await api.stitch({ method: "POST", path: "/echo{?q}" })({ params: { q: "a b" }, body: { n: 1 } })) as { body: string; search: string }).body, '{"n":1}');
    same(await api.stitch("GET /status/200")(), "status 200");
    same(((await api.stitch({ path: "/bytes/{n}", response: "bytes" })({ params: { n: 70_000 } })) as Uint8Array).byteLength, 70_000);
    same(await codeOf(api.stitch("GET /status/503")()), "HTTP_STATUS");
    same(await api.stitch({ path: "/redirect", response: "text" })(), "status 200");
    await api.close();
  },
  async "fetchAdapter keeps the contract"(base) {
    const report = await verifyAdapterContract(fetchAdapter(), { baseUrl: base });
    same(report.violations, [], "violations");
    if (report.passed.length < 10) throw new Error(`only ${report.passed.length} rules passed`);
  },
  async "failures have their codes, and nothing hangs"(base) {
    same(await codeOf(stitch({ url: `${base}/hang`, timeout: 300 })()), "TIMEOUT");
    same(await codeOf(stitch({ url: "http://127.0.0.1:1/", timeout: 5000 })()), "NETWORK");
    same(["BODY_TRUNCATED", "NETWORK"].includes(String(await codeOf(stitch({ url: `${base}/broken` })()))), true, "a broken body");
    const controller = new AbortController();
    const waiting = codeOf(stitch({ url: `${base}/hang` })({ signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    same(await waiting, "ABORTED");
    same(await codeOf(stitch({ url: `${base}/bytes/5000`, maxResponseBytes: 1000 })()), "RESPONSE_TOO_LARGE");
  },
  async "a stream gives what came before its end, and leaving it ends it"(base) {
    const call = stitch({ url: `${base}/drip`, kind: "stream", stream: { decode: "bytes" } });
    let first = "";
    for await (const event of call.stream()) {
      if (event.type !== "delta") continue;
      first = new TextDecoder().decode(event.data as Uint8Array);
      break;
    }
    same(first, "first");
    const file = await download(stitch({ url: `${base}/bytes/3000`, response: "raw" }) as never, {} as never);
    same((await new Response(file.stream).arrayBuffer()).byteLength, 3000);
  },
  async "multipart and uploads with progress"(base) {
    const loaded: number[] = [];
    const echoed = (await stitch({ method: "POST", url: `${base}/echo`, body: "multipart" })({ body: { a: "1", file: { value: new Uint8Array([65, 66]), filename: "x.txt", type: "text/plain" } } })) as { headers: Record<string, string>; body: string };
    if (!/^multipart\/form-data; ?boundary=/.test(echoed.headers["content-type"] as string) || !echoed.body.includes('filename="x.txt"')) throw new Error(`no multipart body: ${JSON.stringify(echoed).slice(0, 900)}`);
    await stitch({ method: "POST", url: `${base}/echo`, body: "bytes" })({ body: new Uint8Array(100_000), onProgress: ({ direction, loadedBytes }) => void (direction === "upload" && loaded.push(loadedBytes)) });
    same(loaded.at(-1), 100_000, "last progress");
  },
  async "retry, throttle, circuit and cache on a clock by hand"() {
    const clock = manualClock();
    const adapter = mockAdapter([{ match: "/flaky", respond: [{ status: 503 }, { body: "ok" }] }, { match: "/down", respond: { status: 500 } }, { respond: { body: { n: 1 }, headers: { "cache-control": "max-age=60" } } }], { clock });
    const api = seam({ baseUrl: "https://api.test", adapter, clock });
    const flaky = api.stitch({ path: "/flaky", retry: { attempts: 2, baseDelayMs: 1000, jitter: "none" } })().then((value) => value);
    await clock.advanceAsync(1000);
    same(await flaky, "ok");
    const down = api.stitch({ path: "/down", circuit: { failureThreshold: 2 } });
    same([await codeOf(down()), await codeOf(down()), await codeOf(down())], ["HTTP_STATUS", "HTTP_STATUS", "CIRCUIT_OPEN"]);
    const cached = api.stitch({ path: "/cached", cache: {} });
    await cached();
    await api.flush();
    same((await cached.inspect(undefined, { cache: true })).source, "cache");
    const paced = api.stitch({ path: "/paced", throttle: "1/s" });
    const both = Promise.all([paced(), paced()]);
    const asked = adapter.callCount;
    await clock.advanceAsync(1000);
    await both;
    same(adapter.callCount > asked, true);
  },
  async "credentials: text, tokens, sessions, signatures, and the vault"() {
    const adapter = mockAdapter([{ match: "/token", respond: { body: { access_token: "t-1", token_type: "Bearer", expires_in: 3600 } } }, { match: "/login", respond: { body: 1, headers: { "set-cookie": "sid=s-1; Path=/" } } }, { respond: (request) => ({ body: request.headers["authorization"] ?? request.headers["cookie"] ?? request.headers["x-api-key"] ?? null }) }]);
    const ask = (auth: Parameters<typeof seam>[0]["auth"]) => seam({ baseUrl: "https://api.test", adapter, auth, encryption: aesGcm("a secret of some length") } as Parameters<typeof seam>[0]).as("anna").stitch("/x")();
    same(await ask(bearer("b-1")), "Bearer b-1");
    same(await ask(basic({ user: "u", pass: "ü" })), "Basic dTrDvA==");
    same(await ask(apiKey({ value: "k-1" })), "k-1");
    same(await ask(oauth2({ tokenUrl: "https://id.test/token", clientId: "c", clientSecret: "s" })), "Bearer t-1");
    same(await ask(cookieSession({ login: stitch({ method: "POST", url: "https://api.test/login", adapter }), credentials: () => ({}) })), "sid=s-1");
    same(String(await ask(awsSigV4({ region: "r", service: "s", credentials: { accessKeyId: "A", secretAccessKey: "S" } }))).startsWith("AWS4-HMAC-SHA256 Credential=A/"), true);
    same((await verifyAuthContract(bearer("secret-1") as never, { secret: "secret-1" })).violations, []);
  },
  async "events, lines, pages and GraphQL"() {
    const adapter = mockAdapter([
      { match: "/sse", respond: sseBody([{ id: "1", data: { n: 1 } }, { data: "two" }]) }, { match: "/lines", respond: { stream: ['{"n":1}\n{"n"', ":2}\n"], headers: { "content-type": "application/x-ndjson" } } },
      { match: /\/pages$/, respond: { body: [1], headers: { link: '</pages?p=2>; rel="next"' } } }, { match: /pages\?p=2/, respond: { body: [2] } }, { match: "/graphql", respond: { body: { data: { me: { name: "Ada" } } } } },
    ]);
    const api = seam({ baseUrl: "https://api.test", adapter });
    same(await api.stitch({ path: "/sse", kind: "sse" })(), [{ n: 1 }, "two"]);
    same(await api.stitch({ path: "/lines", kind: "stream" })(), [{ n: 1 }, { n: 2 }]);
    same(await api.stitch({ path: "/pages", paginate: linkHeader() })(), [1, 2]);
    same(await api.graphql({ path: "/graphql", document: "query Me { me { name } }" })(), { me: { name: "Ada" } });
  },
  async "compositions, stubs, schemas and OpenAPI"() {
    same(await all({ a: stubStitch(1)(), b: stubStitch("x")() }), { a: 1, b: "x" });
    same(await any([failStitch("NETWORK")(), stubStitch(2)()]), 2);
    same(await linked(async (run) => run(stubStitch(3))), 3);
    same((await collectEvents(stubStitch(1)())).map((event) => event.type), ["start", "progress", "progress", "result", "done"]);
    const checked = stitch({ url: "https://api.test/", adapter: mockAdapter([{ respond: { body: { n: "x" } } }]), output: jsonSchema({ type: "object", properties: { n: { type: "integer" } } }) });
    same(await codeOf(checked()), "OUTPUT_INVALID");
    same((toOpenApi({ checked: checked as never }, { title: "t", version: "1" }).document as { openapi: string }).openapi, "3.1.1");
  },
};

export async function runCases(base: string): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run(base);
      results.push({ name });
    } catch (error) {
      results.push({ name, failed: error instanceof Error ? `${error.message}\n${error.stack ?? ""}`.slice(0, 1500) : String(error) });
    }
  }
  return results;
}
