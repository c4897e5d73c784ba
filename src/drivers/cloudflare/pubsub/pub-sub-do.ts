/** `PubSubDO`: the broker of some topics as a Durable Object. It knows who listens, and hands messages on. */

import { checkString } from "../../../core/check.ts";
import { sleep, systemClock } from "../../../core/clock.ts";
import { OptionError, StoreError } from "../../../core/errors.ts";
import { DurableObject } from "#workers";
import { type WireError, toWireError } from "../object/wire.ts";
import type { DurableObjectStateLike } from "../types.ts";
import { Listeners } from "./listeners.ts";
import { Outbox } from "./outbox.ts";
import { type BrokerOperation, type ListeningStub, type PubSubDelivery, type PubSubReceipt, SESSION } from "./protocol.ts";

/** A publish waits that long for slow listeners; what they have not taken then is marked as missed, and still handed over. */
const PATIENCE_MS = 2000;
const RETRY_MS = 1000;
const MAX_RETRY_MS = 300_000;
/** An object that cannot be reached for so long is forgotten. */
const FORGET_MS = 86_400_000;
/** Listeners whose namespace is remembered. */
const MAX_STUBS = 10_000;
/** How often it is seen whether sessions are still there. */
const PING_MS = 60_000;

interface Session {
  readonly names: Set<string>;
  readonly deliver: (delivery: PubSubDelivery) => Promise<PubSubReceipt>;
  readonly end: (error?: unknown) => void;
}

interface PubSubState extends DurableObjectStateLike {
  readonly id: { toString(): string };
}

/**
 * Export it from the Worker, bind it, and list it under `new_sqlite_classes` in a migration. It reaches the objects that listen
 * through the bindings of its own Worker, so their classes are bound there, too. Everything is RPC: requests are answered 404,
 * so nothing from outside can publish or deliver.
 */
export class PubSubDO extends DurableObject {
  readonly #id: string;
  readonly #listeners: Listeners;
  readonly #sessions: Map<string, Session> = new Map();
  readonly #outboxes: Map<string, Outbox> = new Map();
  readonly #stubs: Map<string, () => ListeningStub> = new Map();

  constructor(ctx: DurableObjectStateLike, env: unknown) {
    super(ctx, env);
    this.#id = (ctx as PubSubState).id.toString();
    this.#listeners = new Listeners(ctx.storage);
  }

  /** RPC: does what is asked by `from`, in order, and gives an error or `null` for each. Called by `cloudflarePubSub`. */
  async exchange(from: string, operations: readonly BrokerOperation[]): Promise<(WireError | null)[]> {
    if (typeof from !== "string" || !Array.isArray(operations)) throw new OptionError("operations", operations, "a list of operations");
    const deliveries: Promise<void>[] = [];
    const waiting = new Set<string>();
    const answers = operations.map((operation) => {
      try {
        this.#do(from, operation, deliveries, waiting);
        return null;
      } catch (error) {
        return toWireError(error);
      }
    });
    if (deliveries.length > 0) {
      const done = new AbortController();
      await Promise.race([Promise.all(deliveries), sleep(PATIENCE_MS, systemClock, done.signal).catch(ignore)]);
      done.abort();
      for (const hub of waiting) this.#miss(hub);
    }
    return answers;
  }

  /** RPC: hands messages to `deliver` for as long as the call lasts. For listeners that are no objects, or have no state. */
  async follow(session: string, deliver: (delivery: PubSubDelivery) => Promise<PubSubReceipt>): Promise<void> {
    if (!checkString("session", session).startsWith(SESSION)) throw new OptionError("session", session, `a text that begins with ${SESSION}`);
    this.#sessions.get(session)?.end();
    const ended = new Promise<void>((resolve, reject) => {
      const own: Session = {
        names: new Set(),
        deliver,
        end: (error) => {
          if (this.#sessions.get(session) === own) this.#sessions.delete(session);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#sessions.set(session, own);
    });
    ended.catch(ignore);
    await deliver({ broker: this.#id, messages: [] });
    await this.#arm(PING_MS);
    return ended;
  }

  /** Called by the platform: tells those who missed something, and sees whether sessions are still there. */
  async alarm(): Promise<void> {
    const now = systemClock.now();
    await Promise.all([
      ...this.#listeners.missed().map(async ({ hub, since }) => {
        if (now - since > FORGET_MS) this.#listeners.removeHub(hub);
        else await this.#hand(hub, []).catch(() => this.#miss(hub, true));
      }),
      ...[...this.#sessions.keys()].map((session) => this.#hand(session, []).catch((error: unknown) => this.#sessions.get(session)?.end(error))),
    ]);
    if (this.#sessions.size > 0) await this.#arm(PING_MS);
  }

  async fetch(_request: Request): Promise<Response> {
    return Response.json({ error: "not found" }, { status: 404 });
  }

  #do(from: string, operation: BrokerOperation, deliveries: Promise<void>[], waiting: Set<string>): void {
    const [kind] = operation;
    if (kind === "leave") {
      this.#sessions.get(from)?.end();
      return;
    }
    const name = checkString("name", operation[1]);
    if (kind === "publish") {
      const text = operation[2];
      for (const hub of this.#hubsOf(name)) {
        // The publisher's own object has it.
        if (hub === from) continue;
        waiting.add(hub);
        deliveries.push(this.#outbox(hub).push([name, text]).then(() => void waiting.delete(hub)));
      }
    } else if (from.startsWith(SESSION)) {
      const session = this.#sessions.get(from);
      if (session === undefined) throw new StoreError("STORE_UNAVAILABLE", "the broker does not know the session", { outcome: "not-applied" });
      if (kind === "listen") session.names.add(name);
      else session.names.delete(name);
    } else if (kind === "listen") {
      this.#stub(from);
      this.#listeners.add(name, from);
    } else this.#listeners.remove(name, from);
  }

  #hubsOf(name: string): string[] {
    const hubs = this.#listeners.of(name);
    for (const [session, { names }] of this.#sessions) if (names.has(name)) hubs.push(session);
    return hubs;
  }

  #outbox(hub: string): Outbox {
    let outbox = this.#outboxes.get(hub);
    if (outbox === undefined) {
      outbox = new Outbox({
        deliver: (messages) => this.#hand(hub, messages),
        onLost: (error) => {
          if (hub.startsWith(SESSION)) this.#sessions.get(hub)?.end(error ?? new StoreError("STORE_OVERLOADED", "too many messages wait for a session", { outcome: "unknown" }));
          else this.#miss(hub, true);
        },
        onIdle: () => this.#outboxes.delete(hub),
        clock: systemClock,
      });
      this.#outboxes.set(hub, outbox);
    }
    return outbox;
  }

  async #hand(hub: string, messages: PubSubDelivery["messages"]): Promise<void> {
    const lostSince = this.#listeners.missedSince(hub);
    const delivery: PubSubDelivery = { broker: this.#id, messages, ...(lostSince === undefined ? {} : { lostSince }) };
    const session = this.#sessions.get(hub);
    const receipt = hub.startsWith(SESSION) ? await session?.deliver(delivery) : await this.#stub(hub).deliverPubSub(delivery);
    for (const name of receipt?.unwanted ?? []) {
      if (session === undefined) this.#listeners.remove(name, hub);
      else session.names.delete(name);
    }
    if (lostSince !== undefined && this.#listeners.missedSince(hub) === lostSince) this.#listeners.reached(hub);
  }

  #miss(hub: string, tried = false): void {
    if (hub.startsWith(SESSION)) return;
    const { tries } = this.#listeners.miss(hub, systemClock.now(), tried);
    void this.#arm(Math.min(RETRY_MS * 2 ** tries, MAX_RETRY_MS)).catch(ignore);
  }

  async #arm(afterMs: number): Promise<void> {
    const at = systemClock.now() + afterMs;
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }

  /** Ids belong to one namespace each: that of the binding which takes the id. */
  #stub(hub: string): ListeningStub {
    let make = this.#stubs.get(hub);
    if (make === undefined) {
      for (const binding of Object.values(this.env as Record<string, unknown>)) {
        const namespace = binding as { idFromString(id: string): unknown; get(id: unknown): ListeningStub };
        // By its class: a service binding would take any name for that of a method.
        if ((binding as object | null)?.constructor?.name !== "DurableObjectNamespace") continue;
        try {
          const id = namespace.idFromString(hub);
          make = () => namespace.get(id);
          break;
        } catch {
          // Of another namespace.
        }
      }
      if (make === undefined) throw new StoreError("STORE_CAPABILITY", "no binding of the Worker that holds PubSubDO reaches the object that listens: add its class under durable_objects.bindings there", { outcome: "not-applied" });
      if (this.#stubs.size >= MAX_STUBS) this.#stubs.clear();
      this.#stubs.set(hub, make);
    }
    return make();
  }
}

function ignore(): void {}
