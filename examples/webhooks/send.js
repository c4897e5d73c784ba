/** The sender: `node send.js URL ID EVENT [--forged]` signs an event (RFC 9421) and sends it. `--forged` changes it after that. */
import { createHash, createHmac } from "node:crypto";

const SECRET = process.env.WEBHOOK_SECRET ?? "shared with the sender, 32 bytes or more";
const [url, id, event, forged] = process.argv.slice(2);

const body = JSON.stringify({ event });
const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
const input = `("@method" "@path" "content-digest" "webhook-id");created=${Math.floor(Date.now() / 1000)};keyid="shop";alg="hmac-sha256"`;
const base = [`"@method": POST`, `"@path": ${new URL(url).pathname}`, `"content-digest": ${digest}`, `"webhook-id": ${id}`, `"@signature-params": ${input}`].join("\n");

const response = await fetch(url, {
  method: "POST",
  headers: {
    "content-type": "application/json",
    "content-digest": digest,
    "webhook-id": id,
    "signature-input": `sig1=${input}`,
    signature: `sig1=:${createHmac("sha256", SECRET).update(base).digest("base64")}:`,
  },
  body: forged === undefined ? body : JSON.stringify({ event: "free lunch" }),
});
const text = await response.text();
console.log(response.status, response.ok ? text : JSON.parse(text).code, ...(response.headers.has("idempotent-replayed") ? ["replayed"] : []));
