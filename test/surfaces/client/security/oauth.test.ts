/** State, PKCE and issuer are checked, and tokens go to the configured endpoint alone. */

import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { authorizationCode, oauth2, seam } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";
import { caught } from "./helpers.ts";

const setup = () => {
  const auth = authorizationCode({ authorizeUrl: "https://id.test/authorize", tokenUrl: "https://id.test/token", clientId: "c", redirectUri: "https://app.test/cb" });
  const adapter = mockAdapter([{ match: "/token", respond: { body: { access_token: "token-1", token_type: "Bearer", refresh_token: "r" } } }, { respond: { body: 1 } }]);
  return { auth, adapter, api: seam({ baseUrl: "https://api.test", adapter, auth }) };
};

it("every start has its own state and verifier, and the challenge is its SHA-256", async () => {
  const { auth, api } = setup();
  api.stitch("/x");
  const starts = await Promise.all(Array.from({ length: 20 }, () => auth.start()));
  expect(new Set(starts.map(({ state }) => state)).size).toBe(20);
  for (const { url, state, verifier } of starts) {
    expect(verifier.length).toBeGreaterThanOrEqual(43);
    const query = new URL(url).searchParams;
    expect(query.get("code_challenge")).toBe(createHash("sha256").update(verifier).digest("base64url"));
    expect([query.get("code_challenge_method"), query.get("state")]).toEqual(["S256", state]);
    expect(url).not.toContain(verifier);
  }
});

it("an answer with another state, issuer or an error gets no token", async () => {
  const { auth, adapter, api } = setup();
  api.as("anna").stitch("/x");
  const { state, verifier } = await auth.start();
  for (const query of ["code=k", "code=k&state=", `code=k&state=${state}x`, `code=k&state=${state}&iss=https://evil.test`, `error=access_denied&state=${state}`, `state=${state}`]) {
    expect(await caught(auth.finish({ url: `https://app.test/cb?${query}`, state, verifier, principal: "anna" })), query).toMatchObject({ code: "AUTH_FAILED" });
  }
  expect(adapter.callCount).toBe(0);
});

it("a token endpoint that redirects gets no second request: the secret stays where it was configured", async () => {
  const adapter = mockAdapter([{ match: "https://id.test/token", respond: { status: 307, headers: { location: "https://evil.test/token" } } }, { respond: { body: { access_token: "x", token_type: "Bearer" } } }]);
  const api = seam({ baseUrl: "https://api.test", adapter, auth: oauth2({ tokenUrl: "https://id.test/token", clientId: "c", clientSecret: "s3cret" }) });
  expect(await caught(api.stitch("/x")())).toMatchObject({ code: "AUTH_FAILED" });
  expect(adapter.calls.map(({ url }) => url)).not.toContain("https://evil.test/token");
});

it("a token is sent to the request's origin and not to where it is redirected", async () => {
  const adapter = mockAdapter([{ match: "/token", respond: { body: { access_token: "token-1", token_type: "Bearer" } } }, { match: "https://api.test/go", respond: { status: 302, headers: { location: "https://other.test/" } } }, { respond: { body: 1 } }]);
  await seam({ baseUrl: "https://api.test", adapter, auth: oauth2({ tokenUrl: "https://id.test/token", clientId: "c" }) }).stitch("/go")();
  expect(adapter.lastRequest?.url).toBe("https://other.test/");
  expect(adapter.lastRequest?.headers["authorization"]).toBeUndefined();
});
