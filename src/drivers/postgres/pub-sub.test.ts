import { describe, expect, it } from "vitest";
import { manualClock } from "../../testing/manual-clock.ts";
import type { PostgresConnection, PostgresListener } from "./client.ts";
import { postgresPubSub } from "./pub-sub.ts";

interface Session {
  lose(): void;
  say(payload: string): void;
  closed: boolean;
}

/** A client whose sessions are told by their number, from 0, what becomes of their first LISTEN. */
function client(fate: (at: number, session: Session) => void) {
  const sessions: Session[] = [];
  const connection: PostgresConnection = {
    client: "test",
    execute: async () => [],
    listener: async (): Promise<PostgresListener> => {
      let message: (channel: string, payload: string) => void;
      const names: string[] = [];
      const at = sessions.length;
      const session: Session = { closed: false, lose: () => undefined, say: (payload) => names.forEach((name) => message(name, payload)) };
      sessions.push(session);
      return {
        listen: async (name) => {
          fate(at, session);
          names.push(name);
        },
        unlisten: async () => undefined,
        onMessage: (callback) => void (message = callback),
        onLost: (callback) => void (session.lose = callback),
        onBack: () => undefined,
        close: async () => void (session.closed = true),
      };
    },
  };
  return { sessions, connection };
}

describe("listening on Postgres", () => {
  it("takes another session when one turns out to be dead without having said so", async () => {
    const clock = manualClock();
    const { sessions, connection } = client((at) => {
      if (at === 1) throw new Error("the connection is not queryable");
    });
    const pubsub = postgresPubSub(connection, { clock });
    const heard: unknown[] = [];
    const gaps: unknown[] = [];
    pubsub.events.on((gap) => void gaps.push(gap.channel));
    await pubsub.subscribe("orders", (message) => void heard.push(message));
    sessions[0]!.lose();
    await clock.advanceAsync(1000);
    expect(sessions.map(({ closed }) => closed)).toEqual([false, true, false]);
    sessions[2]!.say('mx:{"n":1}');
    await clock.advanceAsync(1);
    expect([heard, gaps]).toEqual([[{ n: 1 }], ["orders"]]);
    await pubsub.close();
  });

  it("tells of the gap once it listens again, also when the first session that does is lost at once", async () => {
    const clock = manualClock();
    const { sessions, connection } = client((at, session) => {
      if (at === 1) session.lose();
    });
    const pubsub = postgresPubSub(connection, { clock });
    const gaps: number[] = [];
    pubsub.events.on(() => void gaps.push(sessions.length));
    await pubsub.subscribe("orders", () => undefined);
    sessions[0]!.lose();
    await clock.advanceAsync(2000);
    expect(gaps, "how many sessions there were when the gap was told").toEqual([3]);
    await pubsub.close();
  });
});
