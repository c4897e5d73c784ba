/** Finds regular expressions whose matching may take a time that grows exponentially with the text. */

/** A part of an expression: what it can repeat, and what it can begin with. */
interface Group {
  /** It holds a repetition without an end. */
  repeats: boolean;
  /** A repetition without an end stands at its end or is all there is: nothing separates one round from the next. */
  open: boolean;
  /** First atoms of its alternatives. */
  readonly firsts: string[];
  /** Its first atom, when that is fixed: it separates the rounds unless the repetition at the end matches it, too. */
  fixedFirst: string | undefined;
  begun: boolean;
  /** The atom of the repetition at its end, when that is one. */
  last: string | undefined;
  atAlternative: boolean;
}

/** Characters by which two atoms are compared. */
const SAMPLES: readonly string[] = [..."aZ09_- .,:;/\\<>'\"(){}=%&é\n"];

/**
 * Why `source` is risky, or `undefined`: a repetition inside a repeated group with nothing that separates the rounds, such as `(a+)+`
 * or `(\w*)*`, or a repeated choice of things that look alike, such as `(a|a)*` or `(\w|\d)+`. A warning: what it names is
 * slow in most engines; what it does not find may be slow as well.
 */
export function riskOf(source: string): string | undefined {
  const stack: Group[] = [newGroup()];
  const { length } = source;
  for (let at = 0; at < length; ) {
    const group = stack.at(-1) as Group;
    const char = source[at] as string;
    if (char === "|") {
      group.atAlternative = true;
      group.open = false;
      at++;
      continue;
    }
    if (char === "(") {
      const inner = newGroup();
      stack.push(inner);
      at += /^\((?:\?(?::|=|!|<=|<!|<[^>]*>))?/.exec(source.slice(at))?.[0].length ?? 1;
      continue;
    }
    let end = at + 1;
    let closed: Group | undefined;
    if (char === ")") {
      closed = stack.length > 1 ? (stack.pop() as Group) : undefined;
    } else if (char === "\\") end = at + 2;
    else if (char === "[") end = endOfClass(source, at);
    const outer = stack.at(-1) as Group;
    const text = source.slice(at, end);
    const quantifier = /^(?:[*+]|\{\d+,\})\??/.exec(source.slice(end))?.[0];
    const bounded = /^(?:\?|\{\d+(?:,\d+)?\})\??/.exec(source.slice(end))?.[0] ?? "";
    if (closed !== undefined) {
      if (quantifier !== undefined && closed.open && !isSeparated(closed)) return `the repetition inside ${snippet(source, end + quantifier.length)} is repeated itself`;
      if (quantifier !== undefined && alike(closed.firsts)) return `the alternatives in ${snippet(source, end + quantifier.length)} can match the same text`;
      if (closed.repeats) outer.repeats = true;
      if (outer.atAlternative) outer.firsts.push(...closed.firsts);
      outer.open = quantifier !== undefined || (closed.open && bounded === "");
      outer.begun = true;
      outer.last = undefined;
    } else {
      if (outer.atAlternative) outer.firsts.push(text);
      // A fixed character behind a repetition separates the rounds; an anchor is nothing.
      if (!/^(?:\^|\$|\\[bB])$/.test(text)) {
        if (!outer.begun && quantifier === undefined && bounded === "") outer.fixedFirst = text;
        outer.begun = true;
        outer.open = quantifier !== undefined;
        outer.last = text;
      }
    }
    outer.atAlternative = false;
    if (quantifier !== undefined) outer.repeats = true;
    at = end + (quantifier ?? bounded).length;
  }
  return undefined;
}

function newGroup(): Group {
  return { repeats: false, open: false, firsts: [], fixedFirst: undefined, begun: false, last: undefined, atAlternative: true };
}

function isSeparated({ fixedFirst, last, firsts }: Group): boolean {
  return firsts.length === 1 && fixedFirst !== undefined && last !== undefined && !alike([fixedFirst, last]);
}

function endOfClass(source: string, from: number): number {
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === "]" && at > from + 1) return at + 1;
  }
  return source.length;
}

function alike(firsts: readonly string[]): boolean {
  const sets = firsts.map((atom) => {
    try {
      const regex = new RegExp(`^${atom}$`, "s");
      return new Set(SAMPLES.filter((char) => regex.test(char)));
    } catch {
      return new Set<string>();
    }
  });
  return sets.some((set, i) => sets.slice(i + 1).some((other) => [...set].some((char) => other.has(char))));
}

function snippet(source: string, end: number): string {
  return `"${source.slice(Math.max(0, end - 24), end)}"`;
}
