/** Who listens to what: exact names, and patterns in a trie so that patterns that do not match cost nothing. */

import type { Connection } from "../connection.ts";

interface Node {
  /** By literal segment. */
  children: Map<string, Node> | undefined;
  /** `*`. */
  star: Node | undefined;
  /** Patterns that end here. */
  here: Set<Connection> | undefined;
  /** Patterns that end here with `**`. */
  rest: Set<Connection> | undefined;
}

const newNode = (): Node => ({ children: undefined, star: undefined, here: undefined, rest: undefined });

export function isPattern(topic: string): boolean {
  return topic.includes("*");
}

/** Whole segments only, `**` only at the end, no segment empty. */
export function isValidPattern(topic: string): boolean {
  const segments = topic.split(":");
  return segments.every((segment, i) => segment !== "" && (!segment.includes("*") || segment === "*" || (segment === "**" && i === segments.length - 1)));
}

export class TopicIndex {
  readonly #exact = new Map<string, Set<Connection>>();
  readonly #patterns: Node = newNode();
  #patternCount = 0;

  /** Topics and patterns with a subscriber. */
  get size(): number {
    return this.#exact.size + this.#patternCount;
  }

  topics(): IterableIterator<string> {
    return this.#exact.keys();
  }

  has(topic: string): boolean {
    return this.#exact.has(topic);
  }

  /** Subscribers by exact name. */
  count(topic: string): number {
    return this.#exact.get(topic)?.size ?? 0;
  }

  add(topic: string, connection: Connection): void {
    if (isPattern(topic)) return this.#addPattern(topic, connection);
    const set = this.#exact.get(topic);
    if (set === undefined) this.#exact.set(topic, new Set([connection]));
    else set.add(connection);
  }

  remove(topic: string, connection: Connection): void {
    if (isPattern(topic)) return this.#removePattern(topic, connection);
    const set = this.#exact.get(topic);
    if (set?.delete(connection) === true && set.size === 0) this.#exact.delete(topic);
  }

  /** The subscribers by exact name; `undefined` when patterns have to be looked at, too. */
  exact(topic: string): ReadonlySet<Connection> | undefined {
    return this.#patternCount === 0 ? (this.#exact.get(topic) ?? EMPTY) : undefined;
  }

  /** Everybody, each once, and whether a pattern was needed. */
  match(topic: string): { readonly connections: ReadonlySet<Connection>; readonly byPattern: boolean } {
    const own = this.#exact.get(topic) ?? EMPTY;
    const found = new Set<Connection>();
    const segments = topic.split(":");
    if (segments.every((segment) => segment !== "")) collect(this.#patterns, segments, 0, found);
    if (found.size === 0) return { connections: own, byPattern: false };
    const all = new Set(own);
    for (const connection of found) all.add(connection);
    return { connections: all, byPattern: true };
  }

  #addPattern(pattern: string, connection: Connection): void {
    let node = this.#patterns;
    for (const segment of pattern.split(":")) {
      if (segment === "**") {
        node.rest = this.#put(node.rest, connection);
        return;
      }
      if (segment === "*") node = node.star ??= newNode();
      else {
        node.children ??= new Map();
        let child = node.children.get(segment);
        if (child === undefined) node.children.set(segment, (child = newNode()));
        node = child;
      }
    }
    node.here = this.#put(node.here, connection);
  }

  #put(set: Set<Connection> | undefined, connection: Connection): Set<Connection> {
    if (set === undefined) {
      this.#patternCount++;
      return new Set([connection]);
    }
    return set.add(connection);
  }

  #removePattern(pattern: string, connection: Connection): void {
    const path: { readonly node: Node; readonly segment: string }[] = [];
    let node = this.#patterns;
    const segments = pattern.split(":");
    const rest = segments.at(-1) === "**";
    for (const segment of rest ? segments.slice(0, -1) : segments) {
      const next = segment === "*" ? node.star : node.children?.get(segment);
      if (next === undefined) return;
      path.push({ node, segment });
      node = next;
    }
    const set = rest ? node.rest : node.here;
    if (set?.delete(connection) !== true || set.size > 0) return;
    this.#patternCount--;
    if (rest) node.rest = undefined;
    else node.here = undefined;
    // Branches without a subscriber go.
    for (let at = path.length - 1; at >= 0; at--) {
      const { node: parent, segment } = path[at] as { node: Node; segment: string };
      const child = segment === "*" ? parent.star : parent.children?.get(segment);
      if (child === undefined || child.here !== undefined || child.rest !== undefined || child.star !== undefined || (child.children?.size ?? 0) > 0) return;
      if (segment === "*") parent.star = undefined;
      else parent.children?.delete(segment);
    }
  }
}

const EMPTY: ReadonlySet<Connection> = /* @__PURE__ */ new Set();

function collect(node: Node, segments: readonly string[], at: number, found: Set<Connection>): void {
  if (at === segments.length) {
    for (const connection of node.here ?? []) found.add(connection);
    return;
  }
  for (const connection of node.rest ?? []) found.add(connection);
  const child = node.children?.get(segments[at] as string);
  if (child !== undefined) collect(child, segments, at + 1, found);
  if (node.star !== undefined) collect(node.star, segments, at + 1, found);
}
