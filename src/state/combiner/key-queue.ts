/** The callers of one key in arrival order, and the round of keys that have somebody to send. */

import type { Waiter } from "./waiter.ts";

/** @internal */
export class KeyQueue {
  readonly key: string;
  head: Waiter | undefined = undefined;
  size = 0;
  /** A batch of this key is on the wire: the rest waits for it, so order holds across lanes. */
  onWire = false;
  /** Links of {@link ReadyQueues}. */
  next: KeyQueue | undefined = undefined;
  previous: KeyQueue | undefined = undefined;
  ready = false;
  private tail: Waiter | undefined = undefined;

  constructor(key: string) {
    this.key = key;
  }

  push(waiter: Waiter): void {
    waiter.queue = this;
    waiter.previous = this.tail;
    if (this.tail === undefined) this.head = waiter;
    else this.tail.next = waiter;
    this.tail = waiter;
    this.size++;
  }

  remove(waiter: Waiter): void {
    if (waiter.previous === undefined) this.head = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.tail = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.next = waiter.previous = waiter.queue = undefined;
    this.size--;
  }
}

/** A doubly linked ring: a key that was served goes to the end, so no key waits for more than one turn of the others. */
export class ReadyQueues {
  size = 0;
  private first: KeyQueue | undefined = undefined;
  private last: KeyQueue | undefined = undefined;

  push(queue: KeyQueue): void {
    queue.ready = true;
    queue.previous = this.last;
    queue.next = undefined;
    if (this.last === undefined) this.first = queue;
    else this.last.next = queue;
    this.last = queue;
    this.size++;
  }

  shift(): KeyQueue | undefined {
    const queue = this.first;
    if (queue !== undefined) this.remove(queue);
    return queue;
  }

  remove(queue: KeyQueue): void {
    if (!queue.ready) return;
    if (queue.previous === undefined) this.first = queue.next;
    else queue.previous.next = queue.next;
    if (queue.next === undefined) this.last = queue.previous;
    else queue.next.previous = queue.previous;
    queue.next = queue.previous = undefined;
    queue.ready = false;
    this.size--;
  }
}
