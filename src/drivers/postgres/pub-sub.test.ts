import { describe, expect, it } from "vitest";
import { manualClock } from "../../testing/manual-clock.ts";
import type { PostgresConnection, PostgresListener } from "./client.ts";
import { postgresPubSub } from "./pub-sub.ts";

describe("listening on Postgres", () => {
  it("takes another session when one turns out to be dead without having said so", async () => {
    const clock = manualClock();
    const sessions: { lose(): void; say(payload: string): void; closed: boolean; dead: boolean }[] = [];
    const connection: PostgresConnection = {
      client: "test",
      execute: async () => [],
      listener: async (): Promise<PostgresListener> => {
        let message: (channel: string, payload: string) => void;
        const names: string[] = [];
        const session = { dead: sessions.length === 1, closed: false, lose: (): void => undefined, say: (payload: string) => names.forEach((name) => message(name, payload)) };
        sessions.push(session);
        return {
          listen: async (name) => {
            if (session.dead) throw new Error("the connection is not queryable");
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
});
