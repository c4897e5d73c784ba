/** Components of a request and the signature base over them (RFC 9421, section 2). */

import { type BareItem, type Item, type Parameters, parseDictionary, parseItem, parseList, serializeDictionary, serializeInnerList, serializeItem, serializeList } from "structured-headers";
import { encodeText, toBase64 } from "../../../../core/codec.ts";

/** A request as its signature sees it. */
export interface SignedMessage {
  readonly method: string;
  readonly scheme: string;
  /** Host and port in lower case, without the default port. */
  readonly authority: string;
  /** Path as sent. */
  readonly path: string;
  /** Query as sent, with its `?`; empty when there is none. */
  readonly query: string;
  /** Values of a field in the order received; none when it is absent. */
  readonly field: (name: string) => readonly string[];
}

/** A component identifier: a name and its parameters. */
export type Component = Item;

/** Fields whose structured type is registered, for the parameter `sf`. */
const STRUCTURED: Readonly<Record<string, "list" | "dictionary" | "item">> = {
  accept: "list", "accept-encoding": "list", "accept-language": "list", "cache-control": "dictionary", "content-digest": "dictionary", "content-encoding": "list",
  "content-length": "item", "content-type": "item", priority: "dictionary", "proxy-status": "list", "repr-digest": "dictionary", signature: "dictionary",
  "signature-input": "dictionary", "want-content-digest": "dictionary", "want-repr-digest": "dictionary", "cdn-cache-control": "dictionary",
};

/** The signature base: one line per component, then the parameters. Throws when a component is not there or not known. */
export function signatureBase(message: SignedMessage, components: readonly Component[], parameters: Parameters): string {
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const component of components) {
    const id = serializeItem(component);
    if (seen.has(id)) throw new RangeError("a component twice");
    seen.add(id);
    for (const value of valuesOf(message, component)) {
      if (/[\r\n\u0080-\uffff]/.test(value)) throw new RangeError("a value that is no line of ASCII");
      lines.push(`${id}: ${value}`);
    }
  }
  lines.push(`"@signature-params": ${serializeInnerList([[...components], parameters])}`);
  return lines.join("\n");
}

function valuesOf(message: SignedMessage, [name, parameters]: Component): readonly string[] {
  if (typeof name !== "string" || name !== name.toLowerCase()) throw new RangeError("a component that is no name in lower case");
  for (const [key] of parameters) if (!["sf", "key", "bs", "name"].includes(key)) throw new RangeError(`a component with the parameter ${key}`);
  if (name.startsWith("@")) return derived(message, name, parameters);
  return [fieldValue(message, name, parameters)];
}

function derived(message: SignedMessage, name: string, parameters: Parameters): readonly string[] {
  if (name !== "@query-param" && parameters.size > 0) throw new RangeError("a derived component with parameters");
  const { method, scheme, authority, path, query } = message;
  const sentPath = path === "" ? "/" : path;
  switch (name) {
    case "@method":
      return [method];
    case "@scheme":
      return [scheme];
    case "@authority":
      return [authority];
    case "@path":
      return [sentPath];
    case "@query":
      return [query === "" ? "?" : query];
    case "@request-target":
      return [sentPath + query];
    case "@target-uri":
      return [`${scheme}://${authority}${sentPath}${query}`];
    case "@query-param":
      return [queryParameter(query, parameters.get("name"))];
    default:
      throw new RangeError("an unknown derived component");
  }
}

/** The one value of a query parameter, re-encoded (section 2.2.8). */
function queryParameter(query: string, name: BareItem | undefined): string {
  if (typeof name !== "string") throw new RangeError("@query-param without a name");
  const values = [...new URLSearchParams(query)].filter(([key]) => encoded(key) === name).map(([, value]) => value);
  if (values.length !== 1) throw new RangeError("a query parameter that is not there once");
  return encoded(values[0] as string);
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function fieldValue(message: SignedMessage, name: string, parameters: Parameters): string {
  const values = message.field(name);
  if (values.length === 0) throw new RangeError("a field that is not there");
  const key = parameters.get("key");
  if (parameters.has("bs")) {
    if (key !== undefined || parameters.has("sf")) throw new RangeError("bs together with sf or key");
    return values.map((value) => `:${toBase64(encodeText(value.trim()))}:`).join(", ");
  }
  const joined = values.map((value) => value.trim().replace(/[ \t]*\r\n[ \t]+/g, " ")).join(", ");
  if (key !== undefined) {
    const member = typeof key === "string" ? parseDictionary(joined).get(key) : undefined;
    if (member === undefined) throw new RangeError("a dictionary member that is not there");
    return Array.isArray(member[0]) ? serializeInnerList(member as Parameters_<typeof serializeInnerList>) : serializeItem(member as Item);
  }
  if (!parameters.has("sf")) return joined;
  switch (STRUCTURED[name]) {
    case "list":
      return serializeList(parseList(joined));
    case "dictionary":
      return serializeDictionary(parseDictionary(joined));
    case "item":
      return serializeItem(parseItem(joined));
    default:
      throw new RangeError("sf of a field whose type is not known");
  }
}

type Parameters_<F extends (...args: never[]) => unknown> = F extends (first: infer A, ...rest: never[]) => unknown ? A : never;

/** Component identifiers as options have them: a bare name, or one with parameters such as `"@query-param";name="id"`. Throws when one is none. */
export function parseComponent(text: string): Component {
  if (!text.startsWith('"')) return [text, new Map()];
  return parseItem(text);
}
