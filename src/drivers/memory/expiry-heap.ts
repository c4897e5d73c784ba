/** A binary heap of deadlines: finds what expires next. Nodes of dropped entries stay until they surface or the heap is rebuilt. */

/** What has a deadline. `expiresAt` may change only by making a new item. */
export interface Expiring {
  readonly expiresAt: number;
  /** No longer held by its owner. */
  dropped: boolean;
}

export class ExpiryHeap<Item extends Expiring> {
  #items: Item[] = [];
  #dead = 0;

  /** Nodes held, those of dropped items included. */
  get size(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as Item;
      if (above.expiresAt <= item.expiresAt) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  /** Tells the heap that an item was dropped elsewhere. */
  forget(): void {
    this.#dead++;
    // Rebuilding once half of the nodes are dead costs O(1) per drop.
    if (this.#dead > 64 && this.#dead * 2 > this.#items.length) this.#rebuild();
  }

  /** Takes the next item whose time has come; `undefined` when none has. */
  takeExpired(now: number): Item | undefined {
    for (;;) {
      const top = this.#items[0];
      if (top === undefined) return undefined;
      if (top.dropped) {
        this.#pop();
        this.#dead--;
      } else if (top.expiresAt <= now) {
        this.#pop();
        return top;
      } else {
        return undefined;
      }
    }
  }

  clear(): void {
    this.#items = [];
    this.#dead = 0;
  }

  #pop(): void {
    const items = this.#items;
    const last = items.pop() as Item;
    if (items.length > 0) this.#sink(last, 0);
  }

  #sink(item: Item, start: number): void {
    const items = this.#items;
    let at = start;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as Item).expiresAt < (items[child] as Item).expiresAt) child++;
      const below = items[child] as Item;
      if (below.expiresAt >= item.expiresAt) break;
      items[at] = below;
      at = child;
    }
    items[at] = item;
  }

  #rebuild(): void {
    const live = this.#items.filter((item) => !item.dropped);
    this.#items = live;
    this.#dead = 0;
    for (let at = (live.length >> 1) - 1; at >= 0; at--) this.#sink(live[at] as Item, at);
  }
}
