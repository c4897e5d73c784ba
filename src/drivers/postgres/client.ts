/**
 * The clients of users, as one connection. All of Sluice's work on Postgres is single statements, so one verb is enough:
 * a statement with text parameters, and rows back. Types are structural: no client's types appear here.
 */

import { systemClock } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";

/** A statement that is sent many times. `name` is what a client prepares it under. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** The tables of records it touches, without the prefix: a lock on one of them holds it up. */
  readonly tables?: readonly string[];
}

export type Row = Readonly<Record<string, unknown>>;

/** What the driver needs of a client. `fromPg` and its kin make one; any object of this shape is taken as it is. */
export interface PostgresConnection {
  /** The client's name, for events and messages. */
  readonly client: string;
  /** Runs one statement. Parameters are text or `null`. */
  execute(statement: Statement, params: readonly (string | null)[]): Promise<readonly Row[]>;
  /** A session of its own for `LISTEN`, where the client can make one. */
  readonly listener?: () => Promise<PostgresListener>;
}

/** A session that listens. Ours alone: closing it closes no connection of the caller's. */
export interface PostgresListener {
  listen(channel: string): Promise<void>;
  unlisten(channel: string): Promise<void>;
  /** The callbacks are set once, before the first `listen`. */
  onMessage(callback: (channel: string, payload: string) => void): void;
  /** The session is gone, and nothing of it will come again. */
  onLost(callback: () => void): void;
  /** The client brought back a lost session by itself, and that channel is listened to again. */
  onBack(callback: (channel: string) => void): void;
  close(): Promise<void>;
}

export interface PostgresClientOptions {
  /**
   * Prepare statements by name. Behind a pooler in transaction mode that does not track them `pg` turns it off at the first lost
   * name, so `false` saves only those few errors in the server's log. For postgres.js, which does not survive a lost name, the first
   * statement finds out whether there is a pooler; `true` is for one that tracks names. @default true, for postgres.js unless pooled
   */
  readonly prepare?: boolean;
}

/** `Pool` or `Client` of `pg`, version 8. */
export interface PgLike {
  query(query: { name?: string; text: string; values: unknown[] }): Promise<{ rows: unknown[] }>;
  connect(...args: never[]): Promise<unknown>;
}

/** `postgres` (postgres.js), version 3, or an object like it, such as Bun's SQL client. */
export interface PostgresJsLike {
  unsafe(query: string, params?: never[], options?: { prepare?: boolean }): PromiseLike<unknown>;
}

/** Anything that runs a statement: PGlite, serverless drivers, wrappers of one's own. */
export interface QueryLike {
  query(text: string, params: string[]): PromiseLike<unknown>;
}

export type PostgresClient = PostgresConnection | PgLike | PostgresJsLike | QueryLike;

export function fromPg(client: PgLike, options: PostgresClientOptions = {}): PostgresConnection {
  requireMethods("fromPg", client, ["query", "connect"]);
  survive(client);
  const query = preparing(options, async (named, { name, text }, params) => {
    const { rows } = await client.query(named ? { name, text, values: params as unknown[] } : { text, values: params as unknown[] });
    return rows as Row[];
  });
  if (isPool(client)) return { client: "pg", execute: query, listener: () => pgListener(client) };
  // A `Client` is one session, and its owner's: it takes one statement after the other, and has no other session to give.
  const inTurn = oneByOne();
  return { client: "pg", execute: (statement, params) => inTurn(() => query(statement, params)) };
}

type Execute = PostgresConnection["execute"];

/** The server does not know the name of the statement, or knows it already: a pooler gave us another session. */
const STRANGE_NAME: ReadonlySet<string> = /* @__PURE__ */ new Set(["26000", "42P05"]);

/**
 * Statements by name until a pooler in transaction mode shows itself by an error that leaves the statement unexecuted; from then on
 * without names, that statement again included.
 */
function preparing(options: PostgresClientOptions, send: (named: boolean, ...call: Parameters<Execute>) => ReturnType<Execute>): Execute {
  let named = options.prepare !== false;
  return async (statement, params) => {
    if (!named) return send(false, statement, params);
    try {
      return await send(true, statement, params);
    } catch (error) {
      const { code, errno } = error as { code?: unknown; errno?: unknown };
      // Bun's client has the SQLSTATE in `errno`.
      if (!STRANGE_NAME.has(String(code)) && !STRANGE_NAME.has(String(errno))) throw error;
      named = false;
      return send(false, statement, params);
    }
  };
}

const survivors: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/** A lost connection that nobody waits for is an `error` event in pg, which without a listener ends the process. */
function survive(client: object): void {
  if (survivors.has(client) || !hasMethod(client, "on")) return;
  survivors.add(client);
  (client as { on(event: string, listener: () => void): unknown }).on("error", () => undefined);
}

function oneByOne(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

export function fromPostgresJs(sql: PostgresJsLike, options: PostgresClientOptions = {}): PostgresConnection {
  requireMethods("fromPostgresJs", sql, ["unsafe"]);
  const send = async (prepare: boolean, text: string, params: readonly (string | null)[]): Promise<readonly Row[]> => (await sql.unsafe(text, params as never[], { prepare })) as readonly Row[];
  const execute = preparing(options, (named, { text }, params) => send(named, text, params));
  return {
    client: "postgres.js",
    execute: options.prepare === undefined ? onceDirect(send, execute) : execute,
    ...(hasMethod(sql, "listen") ? { listener: async () => postgresJsListener(sql as unknown as ListeningSql) } : {}),
  };
}

/**
 * postgres.js does not survive a lost name: the call hangs, or answers with no rows. So nothing is named before it is known that no
 * pooler stands between: one gives the client a process number of its own, which is not that of the session.
 */
function onceDirect(send: (prepare: boolean, text: string, params: readonly (string | null)[]) => Promise<readonly Row[]>, named: Execute): Execute {
  let direct: boolean | undefined;
  let asking = false;
  const ask = async (): Promise<void> => {
    asking = true;
    try {
      const rows = await send(false, "SELECT pg_backend_pid()::text AS pid", []);
      const told = (rows as { readonly state?: { readonly pid?: unknown } }).state?.pid;
      // A client like it that does not say so knows itself what it may prepare.
      direct = told === undefined || String(told) === rows[0]?.["pid"];
    } catch {
      // The statement that is sent beside it fails, too, and says why.
    }
    asking = false;
  };
  return (statement, params) => {
    if (direct === true) return named(statement, params);
    if (direct === undefined && !asking) void ask();
    return send(false, statement.text, params);
  };
}

/** Any `query(text, params)` that resolves with rows, or with an object that has `rows`. */
export function fromQuery(client: QueryLike): PostgresConnection {
  requireMethods("client", client, ["query"]);
  return {
    client: hasMethod(client, "execProtocolRaw") ? "pglite" : "query",
    async execute({ text }, params) {
      const result = (await client.query(text, params as string[])) as readonly Row[] | { readonly rows: readonly Row[] };
      return Array.isArray(result) ? (result as readonly Row[]) : (result as { rows: readonly Row[] }).rows;
    },
    ...(hasMethod(client, "listen") && hasMethod(client, "execProtocolRaw") ? { listener: async () => pgliteListener(client as unknown as ListeningPglite) } : {}),
  };
}

/** Recognises a client by its shape. Throws {@link OptionError} that says what is missing. */
export function recogniseClient(client: unknown, options: PostgresClientOptions = {}): PostgresConnection {
  if ((typeof client !== "object" && typeof client !== "function") || client === null) throw new OptionError("client", client, "a Postgres client");
  if (hasMethod(client, "execute") && typeof (client as { client?: unknown }).client === "string") return client as PostgresConnection;
  if (hasMethod(client, "unsafe")) return fromPostgresJs(client as PostgresJsLike, options);
  // Only pg takes an object as its one argument, which is how a statement gets a name.
  if (hasMethod(client, "query") && hasMethod(client, "connect") && (isPool(client) || hasMethod(client, "escapeIdentifier"))) return fromPg(client as PgLike, options);
  if (hasMethod(client, "query")) return fromQuery(client as QueryLike);
  throw new OptionError("client", client, "a Pool or Client of pg, postgres.js, PGlite, or an object with query(text, params); query is missing");
}

interface PgPool {
  readonly options?: { readonly max?: number };
  connect(): Promise<PgSession>;
}

interface PgSession {
  query(text: string): Promise<unknown>;
  on(event: string, listener: (event: { channel: string; payload?: string }) => void): unknown;
  release(destroy?: boolean): void;
}

function isPool(client: object): client is PgPool {
  return typeof (client as { totalCount?: unknown }).totalCount === "number";
}

/** One session out of the pool for as long as anybody listens. */
async function pgListener(pool: PgPool): Promise<PostgresListener> {
  const max = pool.options?.max;
  if (max === 1) throw new OptionError("client.options.max", max, "at least 2 for a pool that listens: one connection does nothing else, and everything else would wait for it");
  const session = await pool.connect();
  let released = false;
  let lost: (() => void) | undefined;
  const end = (): void => {
    if (released) return;
    released = true;
    session.release(true);
    lost?.();
  };
  session.on("error", end);
  session.on("end", end);
  const inTurn = oneByOne();
  return {
    listen: (channel) => inTurn(async () => void (await session.query(`LISTEN ${quoteIdentifier(channel)}`))),
    unlisten: (channel) => inTurn(async () => void (await session.query(`UNLISTEN ${quoteIdentifier(channel)}`))),
    onMessage: (callback) => void session.on("notification", ({ channel, payload }) => callback(channel, payload ?? "")),
    onLost: (callback) => void (lost = callback),
    onBack: () => undefined,
    async close() {
      lost = undefined;
      end();
    },
  };
}

interface ListeningSql {
  readonly listen: {
    (channel: string, onNotify: (payload: string) => void, onListen?: () => void): Promise<{ unlisten(): Promise<void> }>;
    /** Not documented, and left alone where it is not there. */
    readonly channels?: Readonly<Record<string, ListeningEntry>>;
  };
}

interface ListeningEntry {
  listeners: { readonly fn: (payload: string) => void }[];
}

/** A channel of postgres.js is back when it was not listened to anew for this long, in ms. */
const SETTLED_MS = 100;

/** postgres.js keeps one session for all listeners and brings it back itself; that it was away shows in a second `onListen`. */
function postgresJsListener(sql: ListeningSql): PostgresListener {
  const channels = new Map<string, (payload: string) => void>();
  let message: ((channel: string, payload: string) => void) | undefined;
  let back: ((channel: string) => void) | undefined;
  const unlisten = async (channel: string): Promise<void> => {
    const heard = channels.get(channel);
    channels.delete(channel);
    const entry = sql.listen.channels?.[channel];
    // The `unlisten` of the first `listen` forgets nothing that was listened to again after a loss: one made now does.
    const last = await sql.listen(channel, () => undefined);
    if (entry !== undefined) entry.listeners = entry.listeners.filter(({ fn }) => fn !== heard);
    await last.unlisten();
  };
  return {
    async listen(channel) {
      let listening = 0;
      let told: unknown;
      const heard = (payload: string): void => message?.(channel, payload);
      await sql.listen(channel, heard, () => {
        if (listening++ === 0) return;
        // A session that comes back in several tries is listened on in each: that is one loss.
        systemClock.clearTimeout(told);
        told = systemClock.setTimeout(() => back?.(channel), SETTLED_MS);
      });
      channels.set(channel, heard);
    },
    unlisten,
    onMessage: (callback) => void (message = callback),
    onLost: () => undefined,
    onBack: (callback) => void (back = callback),
    async close() {
      back = message = undefined;
      await Promise.allSettled([...channels.keys()].map(unlisten));
    },
  };
}

interface ListeningPglite {
  listen(channel: string, callback: (payload: string) => void): Promise<() => Promise<void>>;
}

function pgliteListener(db: ListeningPglite): PostgresListener {
  const channels = new Map<string, () => Promise<void>>();
  let message: ((channel: string, payload: string) => void) | undefined;
  const unlisten = async (channel: string): Promise<void> => {
    const remove = channels.get(channel);
    channels.delete(channel);
    await remove?.();
  };
  return {
    async listen(channel) {
      // PGlite folds a bare name to lower case, so it is given as a quoted identifier.
      channels.set(channel, await db.listen(quoteIdentifier(channel), (payload) => message?.(channel, payload)));
    },
    unlisten,
    onMessage: (callback) => void (message = callback),
    onLost: () => undefined,
    onBack: () => undefined,
    async close() {
      message = undefined;
      await Promise.allSettled([...channels.keys()].map(unlisten));
    },
  };
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function hasMethod(client: object, name: string): boolean {
  return typeof (client as Record<string, unknown>)[name] === "function";
}

function requireMethods(option: string, client: unknown, names: readonly string[]): void {
  const missing = names.filter((name) => typeof (client as Record<string, unknown> | null | undefined)?.[name] !== "function");
  if (missing.length > 0) throw new OptionError(option, client, `a client with ${names.join(", ")}; ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`);
}
