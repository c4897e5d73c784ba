/** A stored JSON body, parsed once: every hit after it gets a copy, which costs a fifth of parsing. */

/** Longer bodies are parsed each time: the parsed form takes several times their room. */
const MAX_BYTES = 65_536;
/** Deeper values are parsed each time: copying recurses. */
const MAX_DEPTH = 64;

export class ParsedBody {
  #value: unknown;
  #known = false;
  #copyable: boolean;

  constructor(bytes: Uint8Array) {
    this.#copyable = bytes.byteLength <= MAX_BYTES;
  }

  /** The caller's own copy. */
  read(parse: () => unknown): unknown {
    if (this.#known) return copied(this.#value);
    const value = parse();
    if (this.#copyable && (this.#copyable = isCopyable(value, MAX_DEPTH))) {
      this.#value = copied(value);
      this.#known = true;
    }
    return value;
  }
}

/** `__proto__` as a key of data is no plain assignment: such a value is parsed each time. */
function isCopyable(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isCopyable(item, depth - 1));
  return Object.keys(value).every((key) => key !== "__proto__" && isCopyable((value as Record<string, unknown>)[key], depth - 1));
}

/** Clones whole, then replaces what is no plain value in it: engines do the first in one step. */
function copied(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const list = value.slice() as unknown[];
    for (let i = 0; i < list.length; i++) {
      const item = list[i];
      if (typeof item === "object" && item !== null) list[i] = copied(item);
    }
    return list;
  }
  const record = { ...value } as Record<string, unknown>;
  for (const key in record) {
    const item = record[key];
    if (typeof item === "object" && item !== null) record[key] = copied(item);
  }
  return record;
}
