/** Where a client is in topics with history: what it saw last, what is a repetition, and where something was missed. */

/** What the server says about a topic that was asked for. */
export interface ResumeStatus {
  readonly status: string;
  readonly offset?: string;
}

export class TopicPositions {
  readonly #offsets = new Map<string, string>();
  readonly #onGap: (topic: string) => void;
  /** The answer to what was asked for when the connection came back has not come. */
  #asked = false;

  constructor(onGap: (topic: string) => void) {
    this.#onGap = onGap;
  }

  get size(): number {
    return this.#offsets.size;
  }

  /** The payload of `$ws:resume`. */
  ask(): { readonly topics: Record<string, string> } {
    this.#asked = true;
    return { topics: Object.fromEntries(this.#offsets) };
  }

  /** A connection that asks for nothing. */
  fresh(): void {
    this.#asked = false;
  }

  clear(): void {
    this.#offsets.clear();
  }

  /** False for a frame that was seen already. */
  advance(topic: string, offset: string): boolean {
    const [epoch, n] = offset.split(":");
    const [lastEpoch, last] = (this.#offsets.get(topic) ?? "").split(":");
    const again = epoch === lastEpoch;
    if (again && Number(n) <= Number(last)) return false;
    // Numbers were left out, or another history began.
    const missed = again ? Number(n) > Number(last) + 1 : lastEpoch !== "";
    this.#offsets.set(topic, offset);
    if (missed) this.#onGap(topic);
    return true;
  }

  /** The payload of `$ws:resumed`. */
  resumed(payload: { readonly topics?: Readonly<Record<string, ResumeStatus>> } | undefined): void {
    for (const [topic, { status, offset }] of Object.entries(payload?.topics ?? {})) {
      if (status === "ok") {
        // Outside of an answer it is the number of a message of one's own that one did not want back.
        if (!this.#asked && typeof offset === "string") this.#offsets.set(topic, offset);
        continue;
      }
      // What follows is another history, or none: numbers of the old one say nothing.
      this.#offsets.delete(topic);
      if (status === "gap") this.#onGap(topic);
    }
    this.#asked = false;
  }
}
