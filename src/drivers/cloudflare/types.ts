/**
 * What is used of Cloudflare's platform, typed structurally: bindings of any version of its types fit, and none of them is
 * imported.
 */

/** A namespace of Durable Objects, as a binding in `env` is. */
export interface DurableObjectNamespaceLike {
  idFromName(name: string): unknown;
  // oxlint-disable-next-line typescript/no-explicit-any -- an id is whatever `idFromName` of the same namespace gave
  get(id: any): DurableObjectStubLike;
}

export interface DurableObjectStubLike {
  // oxlint-disable-next-line typescript/no-explicit-any -- the platform's own Request and Response types differ between its versions
  fetch(input: any, init?: any): Promise<any>;
}

/** A namespace of Workers KV. */
export interface KVNamespaceLike {
  // oxlint-disable-next-line typescript/no-explicit-any -- overloaded by the type of the result
  get(key: string, options?: any): Promise<any>;
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  put(key: string, value: any, options?: any): Promise<void>;
  delete(key: string): Promise<void>;
}

/** A cache of the Cache API, such as `caches.default`. */
export interface CacheLike {
  // oxlint-disable-next-line typescript/no-explicit-any -- the platform's own Request and Response
  match(request: any, options?: any): Promise<any>;
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  put(request: any, response: any): Promise<void>;
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  delete(request: any, options?: any): Promise<boolean>;
}

/** A rate limiting binding (`[[ratelimits]]` of the configuration). */
export interface RateLimitBindingLike {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** The third argument of a Worker's `fetch`. */
export interface ExecutionContextLike {
  waitUntil(promise: Promise<unknown>): void;
}

/** The first argument of an object's constructor. */
export interface DurableObjectStateLike {
  readonly storage: DurableObjectStorageLike;
}

export interface DurableObjectStorageLike {
  readonly sql: SqlStorageLike;
  get(keys: string[]): Promise<Map<string, unknown>>;
  put(key: string, value: unknown): Promise<void>;
  delete(keys: string[]): Promise<number>;
  deleteAll(): Promise<void>;
  list(options: { prefix?: string; startAfter?: string; limit?: number }): Promise<Map<string, unknown>>;
  setAlarm(scheduledTime: number): Promise<void>;
  getAlarm(): Promise<number | null>;
  deleteAlarm(): Promise<void>;
}

export interface SqlStorageLike {
  exec(query: string, ...bindings: unknown[]): SqlCursorLike;
}

export interface SqlCursorLike {
  toArray(): Record<string, unknown>[];
  readonly rowsWritten: number;
}
