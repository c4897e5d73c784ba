/** What sockets use of the Workers platform, structurally. */

export interface WorkerSocket {
  readonly readyState: number;
  readonly bufferedAmount?: number;
  accept(): void;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  serializeAttachment?(value: unknown): void;
  deserializeAttachment?(): unknown;
}

/** What is used of a `DurableObjectState`. */
export interface SocketsObjectState {
  acceptWebSocket(socket: never, tags?: string[]): void;
  getWebSockets(tag?: string): unknown[];
  setWebSocketAutoResponse(pair: never): void;
  getWebSocketAutoResponseTimestamp(socket: never): Date | null;
  readonly storage: {
    get(key: string): Promise<unknown>;
    put(key: string, value: unknown): Promise<void>;
    put(entries: Record<string, unknown>): Promise<void>;
    delete(key: string): Promise<boolean>;
    delete(keys: string[]): Promise<number>;
    list(options: { prefix: string }): Promise<Map<string, unknown>>;
    getAlarm(): Promise<number | null>;
    setAlarm(at: number): Promise<void>;
    deleteAlarm(): Promise<void>;
  };
}

interface WorkersScope {
  readonly WebSocketPair: new () => { readonly 0: WorkerSocket; readonly 1: WorkerSocket };
  readonly WebSocketRequestResponsePair: new (request: string, response: string) => object;
}

export const workers: () => WorkersScope = () => globalThis as unknown as WorkersScope;

/** Most bytes of an attachment (16,384, measured in workerd), with room for its own encoding. */
export const MAX_ATTACHMENT_BYTES = 16_000;
/** Hibernatable sockets of one object (Cloudflare documentation, enforced by workerd 1.20260426). */
export const MAX_OBJECT_SOCKETS = 32_768;
