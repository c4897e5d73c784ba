/** Tokens of an issuer, checked against its published keys; roles decide who may write. */
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { createGateway, jwtAuth, rbac, scope } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { STATUS, json, run, service } from "../support.js";

/** Stands for your identity provider: it publishes its keys, and has signed three tokens. */
const { publicKey, privateKey } = await generateKeyPair("ES256");
const key = { ...(await exportJWK(publicKey)), kid: "2026-1", alg: "ES256", use: "sig" };
const issuer = await service((_request, response) => json(response, { keys: [key] }));
const sign = (subject, roles, expires) =>
  new SignJWT({ roles, name: `${subject} of the examples` }).setProtectedHeader({ alg: "ES256", kid: key.kid }).setSubject(subject).setIssuer(issuer.origin).setAudience("notes").setExpirationTime(expires).sign(privateKey);
const [reader, editor, late] = await Promise.all([sign("ada", ["reader"], "1h"), sign("grace", ["editor"], "1h"), sign("ada", ["reader"], "-1h")]);

const notes = await service((request, response) => json(response, { did: request.method, as: request.headers["x-user"] ?? null }));

const gateway = createGateway({
  name: "notes",
  adapter: memoryAdapter(),
  routes: [
    ...scope({
      prefix: "/notes",
      policies: [
        jwtAuth({
          jwksUrl: `${issuer.origin}/.well-known/jwks.json`, // fetched once, refreshed when an unknown key id turns up
          issuer: issuer.origin,
          audience: "notes",
          requireExp: true,
          forwardClaims: { sub: "x-user" }, // a client's own x-user never gets through
          stripCredentials: true,
        }),
      ],
      routes: [
        { path: "/", methods: ["GET"], pipeline: { upstream: { type: "url", target: notes.origin } } },
        { path: "/", methods: ["POST"], pipeline: { policies: [rbac({ roles: ["editor"] })], upstream: { type: "url", target: notes.origin } } },
      ],
    }),
  ],
});

await run(
  gateway,
  (url) => [
    [`${STATUS} ${url}/notes`, "401"],
    [`${STATUS} -H 'authorization: Bearer ${late}' ${url}/notes`, "401"],
    [`curl -s -H 'authorization: Bearer ${reader}' -H 'x-user: root' ${url}/notes`, '{"did":"GET","as":"ada"}'],
    [`${STATUS} -X POST -H 'authorization: Bearer ${reader}' ${url}/notes`, "403"],
    [`curl -s -X POST -H 'authorization: Bearer ${editor}' ${url}/notes`, '{"did":"POST","as":"grace"}'],
  ],
  () => {
    issuer.stop();
    notes.stop();
  },
);
