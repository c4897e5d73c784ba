/** Which client of this process wants which topic. Nothing is left of a client without topics. */

export class TopicInterest {
  readonly #topics = new Map<string, Set<string>>();
  readonly #clients = new Map<string, Set<string>>();

  /** Clients with a topic. */
  get size(): number {
    return this.#clients.size;
  }

  add(clientId: string, topic: string): void {
    add(this.#clients, clientId, topic);
    add(this.#topics, topic, clientId);
  }

  remove(clientId: string, topic: string): void {
    remove(this.#clients, clientId, topic);
    remove(this.#topics, topic, clientId);
  }

  removeClient(clientId: string): void {
    for (const topic of this.#clients.get(clientId) ?? []) remove(this.#topics, topic, clientId);
    this.#clients.delete(clientId);
  }

  topicsOf(clientId: string): string[] {
    return [...(this.#clients.get(clientId) ?? [])];
  }

  /** Clients that want the topic. */
  count(topic: string): number {
    return this.#topics.get(topic)?.size ?? 0;
  }

  clear(): void {
    this.#topics.clear();
    this.#clients.clear();
  }
}

function add(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([member]));
  else set.add(member);
}

function remove(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  if (set?.delete(member) === true && set.size === 0) sets.delete(key);
}
