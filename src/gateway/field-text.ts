/** Values as request fields may hold them. */

const CONTROL = /[\u0000-\u001f\u007f]/g;

/**
 * Text for a field value: control characters are removed; when it is not plain ASCII, everything beyond it, and the `%` that
 * would then be ambiguous, is percent-encoded as UTF-8.
 */
export function fieldText(text: string): string {
  const plain = CONTROL.test(text) ? text.replace(CONTROL, "") : text;
  return /^[\x20-\x7e]*$/.test(plain) ? plain : encode(plain, /[^\x20-\x24\x26-\x7e]/gu);
}

/** A claim or token member: texts and numbers as they are, lists joined by commas, anything else as JSON; `undefined` when there is none. */
export function claimText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.map((one) => listItem(claimText(one) ?? "")).join(",");
  if (typeof value === "object") return fieldText(JSON.stringify(value));
  return fieldText(String(value));
}

/** An element must not look like two. */
function listItem(text: string): string {
  return text.includes(",") ? encode(text, /[,%]/g) : text;
}

function encode(text: string, what: RegExp): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd").replace(what, (char) => (char === "," ? "%2C" : encodeURIComponent(char)));
}
