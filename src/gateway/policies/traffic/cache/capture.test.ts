import { describe, expect, it } from "vitest";
import { type Captured, captureBody, readBody } from "./capture.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A body whose chunks and end are decided by the test. */
function source() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled: unknown;
  const body = new ReadableStream<Uint8Array>({ start: (own) => void (controller = own), cancel: (reason) => void (cancelled = reason) }, { highWaterMark: 0 });
  return { body, send: (text: string) => controller.enqueue(bytes(text)), end: () => controller.close(), fail: (error: Error) => controller.error(error), cancelled: () => cancelled };
}

async function capture(body: ReadableStream<Uint8Array>, over: { maxBytes?: number; length?: number; readOn?: () => boolean } = {}) {
  const ends: Captured[] = [];
  const fed = await captureBody(body, { maxBytes: over.maxBytes ?? 100, length: over.length, done: (captured) => ends.push(captured), readOn: over.readOn ?? (() => false) });
  const stream = fed instanceof Uint8Array ? (new Response(fed as Uint8Array<ArrayBuffer>).body as ReadableStream<Uint8Array>) : fed;
  return { reader: stream.getReader(), ends, whole: fed instanceof Uint8Array };
}

const read = async (reader: ReadableStreamDefaultReader<Uint8Array>) => {
  const { done, value } = await reader.read();
  return done ? undefined : new TextDecoder().decode(value);
};

describe("captureBody", () => {
  it("feeds the client chunk by chunk, before the end is known", async () => {
    const from = source();
    const { reader, ends, whole } = await capture(from.body, { length: 4 });
    expect(whole).toBe(false);
    from.send("ab");
    expect(await read(reader)).toBe("ab");
    expect(ends).toEqual([]);
    from.send("cd");
    expect(await read(reader)).toBe("cd");
    from.end();
    expect(await read(reader)).toBeUndefined();
    expect(ends).toEqual([bytes("abcd")]);
  });

  it("hands over at once what was in memory", async () => {
    const { ends, whole } = await capture(new Response("abc").body as ReadableStream<Uint8Array>, { length: 3 });
    expect([whole, ends]).toEqual([true, [bytes("abc")]]);
  });

  it("keeps bytes of its own", async () => {
    const from = source();
    const { reader, ends } = await capture(from.body);
    from.send("abc");
    const first = await reader.read();
    first.value?.fill(0);
    from.end();
    await reader.read();
    expect(ends).toEqual([bytes("abc")]);
  });

  it("reads ahead of a client that does not read, up to the limit and no further", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({ pull: async (controller) => {
      await new Promise((resolve) => setImmediate(resolve));
      sent++;
      controller.enqueue(bytes("abcd"));
    } }, { highWaterMark: 0 });
    const { reader, ends } = await capture(endless, { maxBytes: 10 });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect([ends, sent]).toEqual([["too-large"], 3]);
    for (let i = 0; i < 5; i++) expect(await read(reader)).toBe("abcd");
    expect(sent).toBe(5);
    await reader.cancel();
  });

  it("gives up above the limit and feeds on", async () => {
    const from = source();
    const { reader, ends } = await capture(from.body, { maxBytes: 3 });
    from.send("ab");
    from.send("cd");
    expect([await read(reader), await read(reader)]).toEqual(["ab", "cd"]);
    expect(ends).toEqual(["too-large"]);
    from.send("ef");
    from.end();
    expect([await read(reader), await read(reader)]).toEqual(["ef", undefined]);
    expect(ends).toEqual(["too-large"]);
  });

  it.each([["shorter", 5], ["longer", 3]])("takes a body that is %s than declared for broken", async (_word, length) => {
    const { reader, ends, whole } = await capture(new Response("abcd").body as ReadableStream<Uint8Array>, { length });
    expect([await read(reader), await read(reader), whole]).toEqual(["abcd", undefined, false]);
    expect(ends).toEqual(["broken"]);
  });

  it("passes an error on and stores nothing", async () => {
    const from = source();
    const { reader, ends } = await capture(from.body);
    from.send("ab");
    await read(reader);
    from.fail(new Error("reset"));
    await expect(reader.read()).rejects.toThrow("reset");
    expect(ends).toEqual(["broken"]);
  });

  it("stops the source when the client leaves and nobody waits", async () => {
    const from = source();
    const { reader, ends } = await capture(from.body);
    from.send("ab");
    await read(reader);
    await reader.cancel("gone");
    expect(from.cancelled()).toBe("gone");
    expect(ends).toEqual(["broken"]);
  });

  it("reads on without the client when somebody waits", async () => {
    const from = source();
    const { reader, ends } = await capture(from.body, { readOn: () => true });
    from.send("ab");
    await read(reader);
    await reader.cancel("gone");
    from.send("cd");
    from.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toEqual([bytes("abcd")]);
  });
});

describe("readBody", () => {
  it("gives the bytes, or why there are none", async () => {
    expect(await readBody(new Response("abc").body, 3, 3)).toEqual(bytes("abc"));
    expect(await readBody(new Response("abc").body, 2, undefined)).toBe("too-large");
    expect(await readBody(new Response("abc").body, 3, 4)).toBe("broken");
    expect(await readBody(null, 3, undefined)).toEqual(new Uint8Array(0));
  });
});
