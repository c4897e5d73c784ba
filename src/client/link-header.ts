/** The next link of a `Link` field (RFC 8288 3): one pass over the text, whatever the text is. */

const MAX_LENGTH = 65_536;

/** Target of the first link whose `rel` holds `next`, or nothing. */
export function nextLink(header: string | readonly string[] | undefined): string | undefined {
  const text = typeof header === "string" ? header : header?.join(", ");
  if (text === undefined || text.length > MAX_LENGTH) return undefined;
  let i = 0;
  while (i < text.length) {
    const open = text.indexOf("<", i);
    if (open === -1) return undefined;
    const close = text.indexOf(">", open + 1);
    if (close === -1) return undefined;
    const { rel, end } = parameters(text, close + 1);
    if (rel !== undefined && rel.toLowerCase().split(/\s+/).includes("next")) return text.slice(open + 1, close).trim();
    i = end + 1;
  }
  return undefined;
}

/** The first `rel` of the parameters up to the comma that ends the link. */
function parameters(text: string, from: number): { readonly rel: string | undefined; readonly end: number } {
  let rel: string | undefined;
  let i = from;
  while (i < text.length && text[i] !== ",") {
    if (text[i] !== ";") {
      i++;
      continue;
    }
    const start = ++i;
    while (i < text.length && text[i] !== "=" && text[i] !== ";" && text[i] !== ",") i++;
    const name = text.slice(start, i).trim().toLowerCase();
    if (text[i] !== "=") continue;
    i++;
    while (text[i] === " " || text[i] === "\t") i++;
    let value = "";
    if (text[i] === '"') {
      const begin = ++i;
      while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
      value = text.slice(begin, i).replace(/\\(.)/g, "$1");
      i++;
    } else {
      const begin = i;
      while (i < text.length && text[i] !== ";" && text[i] !== ",") i++;
      value = text.slice(begin, i).trim();
    }
    // Of a repeated rel the first counts (RFC 8288 3.3).
    if (name === "rel") rel ??= value;
  }
  return { rel, end: i };
}
