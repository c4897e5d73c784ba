/** The gateway inside workerd, and bytes over raw sockets: nothing gets a 5xx from it, a hang or a crash. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Upstream, startUpstream } from "../runtimes/cases/upstream.ts";
import { type Workerd, startWorkerd } from "../servers/workerd.ts";
import { fuzz } from "./fuzz/raw-fuzzer.ts";

const worker = new URL("../runtimes/inside/worker.ts", import.meta.url).pathname;
const source = `import { worker } from ${JSON.stringify(worker)};\nexport default worker({});\n`;

/** What workerd answers with a 500 of its own, before any code of a worker runs: no request id is on it, so it is not the gateway's. */
const WORKERD: Readonly<Record<string, RegExp>> = {
  "a tunnel: no worker takes CONNECT": /^CONNECT /,
  "a target that is no path: workerd parses `*` and absolute URLs itself": /^\S+[ \t](?!\/)/,
  "a transfer coding other than chunked": /^transfer-encoding *:? *(?!chunked\r)/m,
  "a length that is no number": /^content-length *:? *(?!\d+[\r\n])/m,
  "two hosts: workerd joins them, and the whole is no host": /^host[ :][^]*^host[ :]/m,
};

let upstream: Upstream;
let workerd: Workerd;
beforeAll(async () => {
  upstream = await startUpstream();
  workerd = await startWorkerd({ entry: { source }, copies: 2, worker: { bindings: { UPSTREAM: upstream.origin } } });
});
afterAll(async () => {
  await workerd.stop();
  await upstream.close();
});

const direct = async (): Promise<URL> => workerd.miniflare.unsafeGetDirectURL("worker-1");

describe.each([
  ["through Miniflare's entry", async () => new URL(workerd.url)],
  ["on workerd's own socket", direct],
] as const)("%s", (_, address) => {
  test("320 malformed requests over raw sockets, less what workerd answers itself", async () => {
    const url = await address();
    expect(((await (await fetch(new URL("/runtime", url))).json()) as { name: string }).name).toBe("workerd");
    const seed = 20_261_130;
    const answers = { gateway: 0, workerd: {} as Record<number, number> };
    const findings = await fuzz({
      port: Number(url.port), count: 320, limit: 320, seed, patienceMs: 20_000, targets: ["/api/echo", "/api/upload", "/cached/text", "/see/x?y=1", "/limited", "/ws/socket"],
      onAnswer: (status, ours) => void (ours ? answers.gateway++ : (answers.workerd[status] = (answers.workerd[status] ?? 0) + 1)),
    });
    const platform = ({ request, what, ours }: (typeof findings)[number]): boolean => !ours && what === "status 500" && Object.values(WORKERD).some((pattern) => pattern.test(request));
    expect(findings.filter((finding) => !platform(finding)), `seed ${seed}; workerd's own answers: ${JSON.stringify(answers.workerd)}`).toEqual([]);
    expect(answers.gateway).toBeGreaterThan(10);
    expect((await fetch(new URL("/runtime", url))).status).toBe(200);
  });
});
