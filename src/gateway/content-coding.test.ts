import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createDecoder, readAnswer } from "./content-coding.ts";

const answer = (body: Uint8Array<ArrayBuffer> | Buffer<ArrayBuffer>, coding: string, status = 200): Response => new Response(body, { status, headers: { "content-encoding": coding } });
const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : new TextDecoder().decode(bytes));
const LIMIT = 64 * 1_048_576;

describe("content codings of answers", () => {
  const long = JSON.stringify(Array.from({ length: 3000 }, (_, i) => ({ id: i, name: `item ${i * 7919}` })));
  it.each([["identity", Buffer.from(long)], ["", Buffer.from(long)], ["gzip", gzipSync(long)], ["X-GZip", gzipSync(long)], ["deflate", deflateSync(long)]])("%s is read", async (coding, body) => {
    const { bytes, raw } = await readAnswer(answer(body as Buffer<ArrayBuffer>, coding), LIMIT);
    expect(text(bytes)).toBe(long);
    expect(Buffer.from(raw as Uint8Array).equals(body)).toBe(true);
  });

  it("a small body of equal items is no bomb", async () => {
    const rows = JSON.stringify(Array.from({ length: 1000 }, () => ({ id: 0, role: "reader" })));
    expect(rows.length / gzipSync(rows).length).toBeGreaterThan(100);
    expect(text((await readAnswer(answer(gzipSync(rows) as Buffer<ArrayBuffer>, "gzip"), LIMIT)).bytes)).toBe(rows);
  });

  const zeros = Buffer.alloc(1_048_576);
  it.each<[string, Buffer, string, number]>([
    ["brotli", brotliCompressSync("x"), "br", 200],
    ["two layers", gzipSync(gzipSync("x")), "gzip, gzip", 200],
    ["a name of Object.prototype", Buffer.from("x"), "constructor", 200],
    ["a ratio of 1000", gzipSync(zeros), "gzip", 200],
    ["200 MB", gzipSync(Buffer.alloc(200_000_000)), "gzip", 200],
    ["no gzip", Buffer.from("{}"), "gzip", 200],
    ["a cut body", gzipSync(long).subarray(0, 100), "gzip", 200],
    ["a part", Buffer.from("{}"), "", 206],
  ])("%s is not, and stays whole", async (_, body, coding, status) => {
    const { bytes, raw, why } = await readAnswer(answer(body as Buffer<ArrayBuffer>, coding, status), LIMIT);
    expect([bytes, typeof why]).toEqual([undefined, "string"]);
    expect(Buffer.from(await new Response(raw).arrayBuffer()).equals(body)).toBe(true);
  });

  it("decodes no more than the caller's limit", async () => {
    expect((await readAnswer(answer(gzipSync(long) as Buffer<ArrayBuffer>, "gzip"), long.length - 1)).why).toContain(`more than ${long.length - 1} bytes`);
    expect((await readAnswer(answer(Buffer.from("12345"), "gzip"), 4)).why).toBe("it is longer than 4 bytes");
    expect((await readAnswer(answer(Buffer.from("12345"), ""), 4)).why).toBe("it is longer than 4 bytes");
  });

  it("a bomb ends the decoder within bounds, whatever comes after it", async () => {
    let got = 0;
    const decoder = createDecoder("gzip", (bytes) => (got += bytes.byteLength));
    for (let i = 0; i < 40; i++) await decoder?.write(gzipSync(zeros));
    expect(await decoder?.end()).toBe(false);
    expect(got).toBeLessThan(4 * 1_048_576);
  });
});
