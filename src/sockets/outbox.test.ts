import { describe, expect, it } from "vitest";
import { jsonCodec } from "./codec.ts";
import { Frame } from "./frame.ts";
import type { SlowConsumerPolicy } from "./options.ts";
import { Outbox } from "./outbox.ts";

/** An outbox above a socket that takes everything at once, and what became of its frames. */
function outbox(policy: SlowConsumerPolicy = "close", bufferedAmount: number | undefined = 0) {
  const sent: string[] = [];
  const heard: { dropped: number; overflow: number | undefined; closed: number | undefined } = { dropped: 0, overflow: undefined, closed: undefined };
  const made: Outbox = new Outbox({
    transport: { raw: undefined, readyState: 1, bufferedAmount, send: (frame) => void sent.push((frame.data as string)[0] as string), close: (code) => void (heard.closed = code), terminate: () => undefined },
    onDropped: (frames) => void (heard.dropped += frames),
    onOverflow: (buffered) => {
      heard.overflow = buffered;
      made.close(1013, "slow consumer");
    },
    onCongested: () => undefined,
  }, { maxBufferedBytes: 1000, policy, closeCode: 1013, topics: [], coalesceKey: undefined } as never);
  return { outbox: made, sent, heard };
}

/** A frame that begins with its name. */
function frame(name: string, bytes: number, key?: string): Frame {
  const made = new Frame(name.padEnd(bytes, "."), jsonCodec);
  made.droppable = key !== undefined;
  made.coalesceKey = key;
  return made;
}

describe("what waits behind a place that is held", () => {
  it.each([0, undefined])("counts as buffered, and above the mark the connection goes (the runtime says %s)", (bufferedAmount) => {
    const { outbox: box, sent, heard } = outbox("close", bufferedAmount);
    const slot = box.hold();
    expect([box.write(frame("a", 400)), box.write(frame("b", 600)), box.buffered]).toEqual(["accepted", "accepted", 1000]);
    expect(box.write(frame("c", 1))).toBe("closed");
    expect([heard, box.buffered]).toEqual([{ dropped: 0, overflow: 1000, closed: 1013 }, 0]);
    box.settle(slot, frame("s", 1));
    expect(sent).toEqual([]);
  });

  it("is counted no more once it has left, or its places are given up", () => {
    const { outbox: box, sent, heard } = outbox();
    const [first, second, third] = [box.hold(), box.hold(), box.hold()];
    box.settle(second, frame("b", 700));
    box.write(frame("d", 300));
    expect(box.buffered).toBe(1000);
    box.settle(third, undefined);
    box.settle(first, frame("a", 5000));
    expect([sent, box.buffered, heard.overflow]).toEqual([["a", "b", "d"], 0, undefined]);
    box.hold();
    box.write(frame("e", 900));
    box.discard();
    expect(box.buffered).toBe(0);
  });

  it("may be one frame of any size where nothing else waits", () => {
    const { outbox: box, sent } = outbox();
    const slot = box.hold();
    expect(box.write(frame("a", 5000))).toBe("accepted");
    box.settle(slot, undefined);
    expect(sent).toEqual(["a"]);
  });

  it("counts when its place is filled behind another", () => {
    const { outbox: box, heard } = outbox();
    const [, second, third] = [box.hold(), box.hold(), box.hold()];
    box.settle(second, frame("b", 700));
    box.settle(third, frame("c", 301));
    expect(heard).toEqual({ dropped: 0, overflow: 700, closed: 1013 });
  });

  it.each<[SlowConsumerPolicy, string, string[], number]>([
    ["drop-newest", "accepted accepted accepted dropped dropped", ["s", "a", "b", "c"], 2],
    ["drop-oldest", "accepted accepted accepted accepted accepted", ["s", "c", "d", "e"], 2],
    ["coalesce", "accepted accepted accepted accepted accepted", ["s", "c", "d", "e"], 2],
  ])("is dropped by policy: %s", (policy, outcomes, arrived, dropped) => {
    const { outbox: box, sent, heard } = outbox(policy);
    const slot = box.hold();
    const written = ["a1", "b2", "c2", "d1", "e2"].map(([name, key], i) => box.write(frame(name as string, i === 2 ? 200 : 400, policy === "coalesce" && i === 2 ? "3" : key)));
    expect([written.join(" "), heard.dropped, heard.overflow]).toEqual([outcomes, dropped, undefined]);
    box.settle(slot, frame("s", 1));
    expect(sent).toEqual(arrived);
  });

  it("cannot be dropped when it is no topic's: then the connection goes", () => {
    const { outbox: box, heard } = outbox("drop-oldest");
    box.hold();
    box.write(frame("a", 900));
    expect(box.write(frame("b", 200))).toBe("closed");
    expect(heard).toEqual({ dropped: 0, overflow: 900, closed: 1013 });
  });

  it("does not change a close that waits there already", () => {
    const { outbox: box, heard } = outbox();
    const [, second] = [box.hold(), box.hold()];
    box.write(frame("a", 900));
    box.close(4000, "bye");
    box.settle(second, frame("b", 200));
    expect(heard).toEqual({ dropped: 0, overflow: undefined, closed: 4000 });
  });
});
