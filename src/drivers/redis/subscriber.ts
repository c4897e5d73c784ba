/** Connections that listen, one form for every client. Closing one closes only what was opened here. */

import type { BunRedisLike, IoredisLike, NodeRedisLike } from "./client.ts";
import { clusterSubscriber } from "./cluster-subscriber.ts";

/** A connection that does nothing but listen. */
export interface RedisSubscriber {
  /** Resolves when the server has confirmed. Called once per channel. */
  subscribe(channel: string, handler: (message: string) => void): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** `lost` when the connection breaks; `back` when all channels are listened to again. */
  onChange(lost: () => void, back: () => void): void;
  close(): Promise<void>;
}

interface IoredisListener {
  on(event: string, listener: (...args: string[]) => void): unknown;
  off(event: string, listener: (...args: string[]) => void): unknown;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  disconnect(): void;
}

interface IoredisCluster {
  readonly status?: string;
  connect(): Promise<unknown>;
  nodes(role: "all"): {
    readonly options: { readonly host?: string; readonly port?: number };
    duplicate(options: object): IoredisListener & { connect(): Promise<unknown> };
  }[];
}

export async function ioredisSubscriber(client: IoredisLike, own: boolean): Promise<RedisSubscriber> {
  return client.isCluster === true ? ioredisClusterSubscriber(client as unknown as IoredisCluster) : listenOnIoredis((own ? duplicateIoredis(client) : client) as IoredisListener, own);
}

function ioredisClusterSubscriber(cluster: IoredisCluster): Promise<RedisSubscriber> {
  // A lazy client connects at its first command, and this is one.
  if (cluster.status === "wait") cluster.connect().catch(() => undefined);
  const named = (): Map<string, ReturnType<IoredisCluster["nodes"]>[number]> => new Map(cluster.nodes("all").map((node) => [`${node.options.host}:${node.options.port}`, node]));
  return clusterSubscriber({
    names: () => [...named().keys()],
    async connect(name) {
      const listener = named().get(name)!.duplicate({ lazyConnect: true, enableOfflineQueue: true, maxRetriesPerRequest: null, retryStrategy: () => null });
      listener.on("error", () => undefined);
      try {
        await listener.connect();
      } catch (error) {
        listener.disconnect();
        throw error;
      }
      return listenOnIoredis(listener, true);
    },
  });
}

function listenOnIoredis(listener: IoredisListener, own: boolean): RedisSubscriber {
  const handlers = new Map<string, (message: string) => void>();
  const listeners: [string, (...args: string[]) => void][] = [];
  const on = (event: string, handler: (...args: string[]) => void): void => {
    listeners.push([event, handler]);
    listener.on(event, handler);
  };
  if (own) on("error", () => undefined);
  on("message", (channel, message) => handlers.get(channel as string)?.(message as string));
  return {
    async subscribe(channel, handler) {
      handlers.set(channel, handler);
      await listener.subscribe(channel);
    },
    async unsubscribe(channel) {
      handlers.delete(channel);
      await listener.unsubscribe(channel);
    },
    onChange(lost, back) {
      let broken = false;
      on("close", () => {
        broken = true;
        lost();
      });
      on("ready", () => {
        if (!broken) return;
        broken = false;
        // The client subscribes again by itself, but does not say when that is confirmed.
        const channels = [...handlers.keys()];
        if (channels.length === 0) back();
        else void listener.subscribe(...channels).then(() => back(), () => undefined);
      });
    },
    async close() {
      for (const [event, handler] of listeners) if (!own || event !== "error") listener.off(event, handler);
      if (own) listener.disconnect();
      else if (handlers.size > 0) await listener.unsubscribe(...handlers.keys());
      handlers.clear();
    },
  };
}

/** A listener waits for its server as long as it takes, whatever the client's own commands do. */
function duplicateIoredis(client: IoredisLike): unknown {
  const duplicate = client.duplicate as (...options: unknown[]) => unknown;
  return duplicate.call(client, { enableOfflineQueue: true, maxRetriesPerRequest: null });
}

interface NodeRedisListener {
  connect(): Promise<unknown>;
  on(event: string, listener: (error: Error) => void): unknown;
  off(event: string, listener: () => void): unknown;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  unsubscribe(channel: string, listener?: (message: string) => void): Promise<void>;
  destroy?(): void;
  disconnect?(): Promise<void>;
}

interface NodeRedisCluster {
  readonly masters: readonly { readonly address: string }[];
  nodeClient(node: object): Promise<NodeRedisLike> | NodeRedisLike;
}

export async function nodeRedisSubscriber(client: NodeRedisLike, own: boolean): Promise<RedisSubscriber> {
  if (!("nodeClient" in client)) return listenOnNodeRedis((own ? client.duplicate!() : client) as NodeRedisListener, own);
  const cluster = client as unknown as NodeRedisCluster;
  return clusterSubscriber({
    names: () => cluster.masters.map(({ address }) => address),
    async connect(name) {
      const node = await cluster.nodeClient(cluster.masters.find(({ address }) => address === name) as object);
      return listenOnNodeRedis(node.duplicate!() as NodeRedisListener, true, true);
    },
  });
}

/** With `once` a connection that cannot be made at once is an error: there are other nodes. */
async function listenOnNodeRedis(listener: NodeRedisListener, own: boolean, once = false): Promise<RedisSubscriber> {
  const listeners: [string, () => void][] = [];
  const handlers = new Map<string, (message: string) => void>();
  const on = (event: string, handler: () => void): void => {
    listeners.push([event, handler]);
    listener.on(event, handler);
  };
  const end = async (): Promise<void> => {
    if (listener.destroy !== undefined) listener.destroy();
    else await listener.disconnect?.();
  };
  if (own) {
    // An "error" nobody listens to ends the process.
    listener.on("error", () => undefined);
    try {
      const refused = new Promise<never>((_, reject) => void (once && listener.on("error", reject)));
      await Promise.race([listener.connect(), refused]);
    } catch (error) {
      await end();
      throw error;
    }
  }
  return {
    async subscribe(channel, handler) {
      handlers.set(channel, handler);
      await listener.subscribe(channel, handler);
    },
    async unsubscribe(channel) {
      const handler = handlers.get(channel);
      handlers.delete(channel);
      await listener.unsubscribe(channel, handler);
    },
    onChange(lost, back) {
      let broken = false;
      const breaks = (): void => {
        if (broken) return;
        broken = true;
        lost();
      };
      on("error", breaks);
      on("reconnecting", breaks);
      on("ready", () => {
        if (!broken) return;
        broken = false;
        back();
      });
    },
    async close() {
      for (const [event, handler] of listeners) listener.off(event, handler);
      if (own) await end();
      else for (const [channel, handler] of handlers) await listener.unsubscribe(channel, handler);
      handlers.clear();
    },
  };
}

interface BunListener {
  onconnect?: ((...args: unknown[]) => void) | null;
  onclose?: ((...args: unknown[]) => void) | null;
  readonly connected?: boolean;
  connect?(): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  close(): void;
}

export async function bunSubscriber(client: BunRedisLike, own: boolean): Promise<RedisSubscriber> {
  const listener = (own ? await client.duplicate!() : client) as BunListener;
  if (own) await listener.connect?.();
  const handlers = new Map<string, (message: string) => void>();
  // Hooks of the caller's are called through, and stand there again afterwards.
  const { onconnect, onclose } = listener;
  let again: Promise<unknown> = Promise.resolve();
  /** After a reconnect Bun keeps its listeners and tells the server of none: one that is not taken off first is called twice. */
  const subscribeAgain = async (): Promise<void> => {
    const before = [...handlers];
    for (const [channel, handler] of before) {
      await listener.unsubscribe(channel, handler).catch(() => undefined);
      if (handlers.get(channel) === handler) await listener.subscribe(channel, handler);
    }
  };
  return {
    async subscribe(channel, handler) {
      await listener.subscribe(channel, handler);
      handlers.set(channel, handler);
    },
    async unsubscribe(channel) {
      const handler = handlers.get(channel);
      handlers.delete(channel);
      if (handler !== undefined) await listener.unsubscribe(channel, handler);
    },
    onChange(lost, back) {
      // One of the caller's may connect for the first time only now.
      let met = own || listener.connected !== false;
      listener.onclose = (...args) => {
        if (met) lost();
        onclose?.apply(listener, args);
      };
      listener.onconnect = (...args) => {
        if (met) again = again.then(subscribeAgain).then(back, () => undefined);
        met = true;
        onconnect?.apply(listener, args);
      };
    },
    async close() {
      listener.onclose = onclose ?? null;
      listener.onconnect = onconnect ?? null;
      if (own) listener.close();
      else for (const [channel, handler] of handlers) await listener.unsubscribe(channel, handler);
      handlers.clear();
    },
  };
}
