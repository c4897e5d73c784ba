import { describe, expect, test } from "vitest";
import { memoryStore } from "../../drivers/memory/memory-store.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { mockAdapter, type MockRoute } from "../../testing/mock-adapter.ts";
import type { StitchConfig } from "../config.ts";
import { isStitchError, type StitchError } from "../errors.ts";
import type { StitchEvent } from "../events.ts";
import { seam } from "../seam.ts";
import { stitch } from "../stitch.ts";
import { cookieSession } from "./cookie-session.ts";
import { authorizationCode, oauth2 } from "./oauth2.ts";
import { awsSigV4, sign } from "./sigv4.ts";
import { apiKey, basic, bearer } from "./simple.ts";
import { env, optionalEnv, secretFrom } from "./strategy.ts";
import { aesGcm } from "./vault.ts";

const caught = async (call: PromiseLike<unknown>): Promise<StitchError> => {
  try {
    await call;
  } catch (error) {
    if (isStitchError(error)) return error;
    throw error;
  }
  throw new Error("resolved");
};
const once = async (auth: StitchConfig["auth"], config: Partial<StitchConfig> = {}) => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  await stitch({ url: "https://api.test/x?a=1", adapter, auth, ...config } as StitchConfig)();
  return adapter.lastRequest;
};

describe("credentials that are a text", () => {
  test("where they go", async () => {
    expect((await once(bearer("abc.def")))?.headers["authorization"]).toBe("Bearer abc.def");
    expect((await once(basic({ user: "ü", pass: "a:b" })))?.headers["authorization"]).toBe(`Basic ${Buffer.from("ü:a:b").toString("base64")}`);
    expect((await once(apiKey({ value: "k1" })))?.headers["x-api-key"]).toBe("k1");
    expect((await once(apiKey({ in: "query", name: "key", value: "k 1" })))?.url).toBe("https://api.test/x?a=1&key=k+1");
    expect((await once(apiKey({ in: "cookie", name: "s", value: "k1" }), { headers: { cookie: "a=b" } }))?.headers["cookie"]).toBe("a=b; s=k1");
    expect((await once(bearer(async () => "later")))?.headers["authorization"]).toBe("Bearer later");
  });

  test("what is malformed never appears", async () => {
    for (const bad of ["canary\r\nx: y", "canary x", "canary\0"]) {
      const error = await caught(once(bearer(bad)));
      expect(error).toMatchObject({ code: "AUTH_FAILED", sent: false });
      expect(JSON.stringify(error) + error.message + String(error.cause)).not.toContain("canary");
    }
    expect(() => basic({ user: "a:b", pass: "c" })).toThrow(/colon/);
  });

  test("secrets are looked up at call time, and kept only when told to", async () => {
    delete process.env["SLUICE_TEST_TOKEN"];
    expect(await caught(once(bearer(env("SLUICE_TEST_TOKEN"))))).toMatchObject({ code: "AUTH_FAILED" });
    expect((await once(bearer(optionalEnv("SLUICE_TEST_TOKEN"))))?.headers["authorization"]).toBeUndefined();
    process.env["SLUICE_TEST_TOKEN"] = "fromenv";
    expect((await once(bearer(env("SLUICE_TEST_TOKEN"))))?.headers["authorization"]).toBe("Bearer fromenv");
    const clock = manualClock();
    let asked = 0;
    const kept = bearer(secretFrom({ get: async () => `t${++asked}` }, "n", { ttlMs: 1000, clock }));
    expect([(await once(kept))?.headers["authorization"], (await once(kept))?.headers["authorization"]]).toEqual(["Bearer t1", "Bearer t1"]);
    clock.advance(1000);
    expect((await once(kept))?.headers["authorization"]).toBe("Bearer t2");
  });

  test("a secret is nowhere in events and errors", async () => {
    const secret = "canary-5up3rs3cret";
    const seen: string[] = [];
    const sink = { handle: (event: StitchEvent, context: object) => void seen.push(JSON.stringify([event, context])) };
    for (const auth of [bearer(secret), apiKey({ in: "query", name: "apikey", value: secret }), basic({ user: "u", pass: secret })]) {
      const adapter = mockAdapter([{ respond: () => ({ error: new Error(`socket to https://x/?k=${secret} broke`) }) }]);
      const error = await caught(stitch({ url: "https://api.test/x", adapter, auth, trace: sink })());
      seen.push(JSON.stringify(error), error.message, String((error.cause as Error).message), error.url ?? "");
    }
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.join("\n")).not.toContain(secret);
  });
});

test("a token or session that another stitch began is as secret in the next", async () => {
  const sink: string[] = [];
  const adapter = mockAdapter([
    { match: "/token", respond: { body: { access_token: "canary-token", token_type: "Bearer", expires_in: 3600 } } },
    { match: "/login", respond: { body: 1, headers: { "set-cookie": "sid=canary-cookie; Path=/" } } },
    { match: "/fail", respond: (request) => ({ error: new Error(`refused ${JSON.stringify(request.headers)}`) }) },
    { respond: { body: 1 } },
  ]);
  const store = memoryStore();
  for (const make of [() => oauth2({ tokenUrl: "https://id.test/token", clientId: "c" }), () => cookieSession({ login: seam({ baseUrl: "https://api.test", adapter }).stitch("POST /login"), credentials: () => ({}) })]) {
    const shared = make();
    for (const auth of [shared, shared, make()]) {
      const api = seam({ baseUrl: "https://api.test", adapter, store, auth, trace: { handle: (event, context) => void sink.push(JSON.stringify([event, context])) } }).as("anna");
      await api.stitch("/ok")();
      const error = await caught(api.stitch("/fail")());
      sink.push(JSON.stringify(error), String((error.cause as Error).message));
    }
  }
  expect(sink.length).toBeGreaterThan(12);
  expect(sink.join("\n")).not.toContain("canary");
});

describe("oauth2", () => {
  const token = (n: number, more: object = {}) => ({ body: { access_token: `token-${n}`, token_type: "Bearer", expires_in: 3600, ...more } });
  const setup = (routes: MockRoute[], options: Partial<Parameters<typeof oauth2>[0]> = {}) => {
    const clock = manualClock();
    const adapter = mockAdapter([...routes, { respond: { body: "data" } }], { clock });
    const auth = oauth2({ tokenUrl: "https://id.test/token", clientId: "a b", clientSecret: "s:e/c", scope: ["x", "y"], ...options });
    const api = seam({ baseUrl: "https://api.test", adapter, clock, auth });
    const tokens = (): number => adapter.calls.filter((call) => call.url.includes("id.test")).length;
    return { clock, adapter, call: api.stitch("/x"), tokens };
  };

  test("one token for many calls, the client authenticated as RFC 6749 says", async () => {
    const { adapter, call, tokens } = setup([{ match: "/token", respond: token(1) }]);
    await Promise.all([call(), call(), call()]);
    await call();
    expect(tokens()).toBe(1);
    const asked = adapter.calls.find((each) => each.url.includes("token"));
    expect(asked?.headers["authorization"]).toBe(`Basic ${Buffer.from("a+b:s%3Ae%2Fc").toString("base64")}`);
    expect(asked?.body).toBe("scope=x+y&grant_type=client_credentials");
    expect(adapter.lastRequest?.headers["authorization"]).toBe("Bearer token-1");
  });

  test("renewed ahead of its end, whatever form the lifetime has", async () => {
    for (const [more, renewAfter] of [[{ expires_in: 100 }, 75_000], [{ expires_in: "200" }, 170_000], [{ expires_in: "soon" }, 3_600_000]] as const) {
      const { clock, call, tokens } = setup([{ match: "/token", respond: token(1, more) }]);
      await call();
      clock.advance(renewAfter - 1);
      await call();
      expect(tokens()).toBe(1);
      clock.advance(1);
      await call();
      expect(tokens()).toBe(2);
    }
  });

  test("a 401 renews once and the call is sent again; a second one fails", async () => {
    const good = setup([{ match: "/token", respond: [token(1), token(2)] }, { match: (r) => r.headers["authorization"] === "Bearer token-1", respond: { status: 401 } }]);
    expect(await Promise.all([good.call(), good.call(), good.call()])).toEqual(["data", "data", "data"]);
    expect(good.tokens()).toBe(2);
    const bad = setup([{ match: "/token", respond: token(1) }, { match: "/x", respond: { status: 401 } }]);
    expect(await caught(bad.call())).toMatchObject({ code: "AUTH_FAILED", step: "refresh", status: 401, attempts: 1 });
  });

  test("a lock that a slow store gives late is still one lock", async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    let slow = 2;
    // What a process sees of a store whose first replies take longer than its deadline.
    const far = new Proxy(store, { get: (target, name) => {
      if (name === "capabilities") return { ...target.capabilities, shared: true };
      if (name === "lease") return async (...given: Parameters<NonNullable<typeof target.lease>>) => {
        const reply = await target.lease(...given);
        if (slow-- > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, 1500, true));
        return reply;
      };
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    } });
    const adapter = mockAdapter([{ match: "/token", respond: { ...token(1), delayMs: 50 } }, { respond: { body: "data" } }], { clock });
    const member = () => seam({ baseUrl: "https://api.test", adapter, clock, store: far, auth: oauth2({ tokenUrl: "https://id.test/token", clientId: "c" }) }).stitch("/x");
    const done = Promise.all([member()(), member()()]);
    await clock.advanceAsync(5000);
    expect(await done).toEqual(["data", "data"]);
    expect(adapter.calls.filter((call) => call.url.includes("token"))).toHaveLength(1);
  });

  test("failures have a category", async () => {
    for (const [respond, category] of [[{ status: 401, body: { error: "invalid_client" } }, "invalid-credentials"], [{ body: { nothing: 1 } }, "protocol"], [{ body: { access_token: "a", token_type: "mac" } }, "protocol"]] as const) {
      expect(await caught(setup([{ match: "/token", respond }]).call())).toMatchObject({ code: "AUTH_FAILED", category });
    }
    const flaky = setup([{ match: "/token", respond: [{ status: 503 }, token(1)] }]);
    const done = flaky.call().then((value) => value);
    await flaky.clock.advanceAsync(200);
    expect(await done).toBe("data");
  });

  test("a rotated refresh token is used, and an invalid one is forgotten", async () => {
    const { adapter, clock, call } = setup([{ match: "/token", respond: [token(1, { refresh_token: "r2", expires_in: 100 }), token(2), { status: 400, body: { error: "invalid_grant" } }] }], { grant: "refresh_token", refreshToken: "r1" });
    const sent = (): string[] => adapter.calls.filter((each) => each.url.includes("token")).map((each) => new URLSearchParams(each.body as string).get("refresh_token") as string);
    await call();
    clock.advance(100_000);
    await call();
    expect(sent()).toEqual(["r1", "r2"]);
    clock.advance(3_600_000);
    expect(await caught(call())).toMatchObject({ code: "AUTH_FAILED", category: "invalid-credentials" });
    await caught(call());
    expect(sent().slice(2)).toEqual(["r2", "r1"]);
  });

  test("authorization code: PKCE, state and iss are checked", async () => {
    const auth = authorizationCode({ authorizeUrl: "https://id.test/authorize", tokenUrl: "https://id.test/token", clientId: "c", redirectUri: "https://app.test/cb" });
    const adapter = mockAdapter([{ match: "/token", respond: token(9, { refresh_token: "r" }) }, { respond: { body: 1 } }]);
    const api = seam({ baseUrl: "https://api.test", adapter, auth });
    const call = api.as("anna").stitch("/x");
    const { url, state, verifier } = await auth.start();
    expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({ response_type: "code", code_challenge_method: "S256", state, client_id: "c" });
    await expect(auth.finish({ url: `https://app.test/cb?code=k&state=other`, state, verifier, principal: "anna" })).rejects.toMatchObject({ code: "AUTH_FAILED" });
    await expect(auth.finish({ url: `https://app.test/cb?code=k&state=${state}&iss=https%3A%2F%2Fevil.test`, state, verifier, principal: "anna" })).rejects.toMatchObject({ code: "AUTH_FAILED" });
    expect(adapter.callCount).toBe(0);
    await auth.finish({ url: `https://app.test/cb?code=k&state=${state}`, state, verifier, principal: "anna" });
    expect(new URLSearchParams(adapter.lastRequest?.body as string).get("code_verifier")).toBe(verifier);
    await call();
    expect(adapter.lastRequest?.headers["authorization"]).toBe("Bearer token-9");
    expect(await caught(api.as("bert").stitch("/x")())).toMatchObject({ code: "AUTH_FAILED" });
  });
});

describe("the vault", () => {
  test("tokens are unreadable in the store, and a swapped ciphertext does not open", async () => {
    const store = memoryStore();
    const raw: Record<string, unknown> = {};
    const spy = new Proxy(store, { get: (target, key) => {
      if (key === "compareAndSet") return async (k: string, ...rest: [unknown, unknown, number?]) => {
        raw[k] = rest[1];
        return target.compareAndSet(k, ...rest);
      };
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    } });
    const adapter = mockAdapter([{ match: "/token", respond: { body: { access_token: "canary-token-1", token_type: "Bearer", expires_in: 3600 } } }, { respond: { body: 1 } }]);
    const auth = () => oauth2({ tokenUrl: "https://id.test/token", clientId: "c" });
    const make = (encryption = aesGcm("a secret of some length")) => seam({ baseUrl: "https://api.test", adapter, store: spy, encryption, auth: auth() }).stitch("/x");
    await make()();
    expect(JSON.stringify(raw)).toContain("$sealed");
    expect(JSON.stringify(raw)).not.toContain("canary");
    await make()();
    const asked = (): number => adapter.calls.filter((call) => call.url.includes("token")).length;
    expect(asked()).toBe(1);
    await make(aesGcm("another secret of length"))();
    expect(asked()).toBe(2);
  });

  test("aesGcm: key ids, rotation, bound to its place", async () => {
    const bytes = new TextEncoder().encode("hello");
    const here = new TextEncoder().encode("here");
    const sealed = await aesGcm({ old: "the old secret text" }).encrypt(bytes, here);
    const both = aesGcm({ new: "the new secret text", old: "the old secret text" });
    expect(await both.decrypt(sealed, here)).toEqual(bytes);
    await expect(both.decrypt(sealed, new TextEncoder().encode("there"))).rejects.toThrow();
    await expect(aesGcm({ new: "the new secret text" }).decrypt(sealed, here)).rejects.toThrow();
    expect(() => aesGcm("short")).toThrow(/16 characters/);
  });
});

test("a cookie session: one login per principal, cookies learned from every answer, a new login when it ends", async () => {
  let logins = 0;
  const adapter = mockAdapter([
    { match: "/login", respond: () => ({ status: 200, body: 1, headers: { "set-cookie": [`sid=s${++logins}; Path=/; HttpOnly`, "other=x; Domain=evil.test"] } }) },
    { match: "/data", respond: (request) => (request.headers["cookie"]?.includes("sid=s1") === true && logins === 1 ? { body: 1, headers: { "set-cookie": "seen=yes; Path=/" } } : request.headers["cookie"]?.includes("sid=s3") === true ? { body: 3 } : { status: 401 }) },
  ]);
  const plain = seam({ baseUrl: "https://api.test", adapter });
  const auth = cookieSession({ login: plain.stitch("POST /login"), credentials: (principal) => ({ body: { user: principal } }) });
  const api = seam({ baseUrl: "https://api.test", adapter, auth });
  const anna = api.as("anna").stitch("/data");
  expect(await Promise.all([anna(), anna()])).toEqual([1, 1]);
  expect(logins).toBe(1);
  await anna();
  expect(adapter.lastRequest?.headers["cookie"]).toBe("sid=s1; seen=yes");
  const bert = await api.as("bert").stitch("/data").safe();
  expect(bert).toMatchObject({ ok: true, data: 3 });
  expect(logins).toBe(3);
  expect(adapter.calls.some((call) => call.headers["cookie"]?.includes("other"))).toBe(false);
  expect(await caught(api.stitch("/data")())).toMatchObject({ code: "AUTH_FAILED" });
});

test.each([["the seam's own store", undefined], ["a memory store passed in", memoryStore()]] as const)("a cookie session, sealed, on %s: a login that belongs to the seam, and one of its own", async (_, store) => {
  for (const inside of [true, false]) {
    let logins = 0;
    let valid = "a";
    const adapter = mockAdapter([
      { match: "/login", respond: () => ({ body: 1, headers: { "set-cookie": `sid=${valid}${++logins}; Path=/` } }) },
      { match: "/data", respond: (request) => (request.headers["cookie"]?.includes(`sid=${valid}`) === true ? { body: 1, headers: { "set-cookie": "seen=yes; Path=/" } } : { status: 401 }) },
    ]);
    const api = seam({ baseUrl: "https://api.test", adapter, ...(store === undefined ? {} : { store }), encryption: aesGcm("a secret of some length"), throttle: { concurrency: 1 }, name: `sealed-${inside}` });
    const login = inside ? api.stitch("POST /login") : stitch({ url: "https://api.test/login", method: "POST", adapter });
    const auth = cookieSession({ login, key: String(inside), credentials: async (principal) => ({ body: { user: principal } }) });
    const call = api.as("anna").stitch({ path: "/data", auth });
    expect(await Promise.all([call(), call(), call()])).toEqual([1, 1, 1]);
    expect(logins).toBe(1);
    await call();
    expect(adapter.lastRequest?.headers["cookie"]).toContain("seen=yes");
    valid = "b";
    expect(await Promise.all([call(), call(), call()])).toEqual([1, 1, 1]);
    expect(logins).toBe(2);
    await api.close();
  }
});

/**
 * Vectors of the AWS Signature Version 4 test suite: 20150830T123600Z, us-east-1, service "service". Those with raw UTF-8 or
 * spaces in the request line are left out: such a request cannot be written as a URL.
 */
describe("awsSigV4", () => {
  const keys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
  const options = { region: "us-east-1", service: "service", signBody: true, signedHeaders: ["content-type", "my-header1", "my-header2"], now: Date.UTC(2015, 7, 30, 12, 36, 0) };
  test.each([
    ["get-vanilla", "GET", "https://example.amazonaws.com/", {}, null, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
    ["get-vanilla-query-order-key-case", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", {}, null, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"],
    ["post-vanilla", "POST", "https://example.amazonaws.com/", {}, null, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
    ["post-x-www-form-urlencoded", "POST", "https://example.amazonaws.com/", { "content-type": "application/x-www-form-urlencoded" }, "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"],
  ] as const)("%s", async (_, method, url, headers, body, signature) => {
    const request = { method, url, headers: { ...headers } as Record<string, string>, body, attempt: 1 };
    await sign(request, keys, options);
    expect(request.headers["authorization"]).toMatch(new RegExp(`Signature=${signature}$`));
  });

  describe("a clock that is off", () => {
    /** A service whose clock is `offMs` ahead, and which takes signatures of the last five minutes. */
    const service = (offMs: number, type: string | undefined = "RequestTimeTooSkewed") => {
      const clock = manualClock(1_700_000_000_000);
      const signedAt = (request: { headers: Readonly<Record<string, string>> }): number => Date.parse((request.headers["x-amz-date"] as string).replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
      const adapter = mockAdapter([{ respond: (request) => {
        const now = clock.now() + offMs;
        if (Math.abs(now - signedAt(request)) <= 300_000) return { body: "ok" };
        return { status: 403, headers: { date: new Date(now).toUTCString(), ...(type === undefined ? {} : { "x-amzn-errortype": type }) } };
      } }], { clock });
      return { adapter, call: stitch({ url: "https://queue.test/", adapter, clock, auth: awsSigV4({ region: "r", service: "sqs", credentials: keys }) }) };
    };

    test("is learned from the answer that says so, once and for all calls", async () => {
      for (const [offMs, type] of [[3_600_000, "RequestTimeTooSkewed"], [-7_200_000, "InvalidSignatureException:http://x"], [3_600_000, undefined]] as const) {
        const { adapter, call } = service(offMs, type);
        expect(await Promise.all([call(), call(), call()])).toEqual(["ok", "ok", "ok"]);
        const asked = adapter.callCount;
        expect(asked).toBeLessThanOrEqual(6);
        expect(await call()).toBe("ok");
        expect(adapter.callCount).toBe(asked + 1);
      }
    });

    test("is no excuse for what was refused for another reason", async () => {
      const { adapter, call } = service(3_600_000, "AccessDeniedException");
      expect(await caught(call())).toMatchObject({ code: "HTTP_STATUS", status: 403 });
      expect(adapter.callCount).toBe(1);
      const inTime = mockAdapter([{ respond: { status: 403, headers: { date: new Date(1_700_000_000_000).toUTCString() } } }]);
      expect(await caught(stitch({ url: "https://queue.test/", adapter: inTime, clock: manualClock(1_700_000_000_000), auth: awsSigV4({ region: "r", service: "sqs", credentials: keys }) })())).toMatchObject({ code: "HTTP_STATUS", status: 403 });
      expect(inTime.callCount).toBe(1);
    });
  });
});
