/** The upstream of the adapter contract, as a handler that any runtime's server can serve. */

/** Answers what the rules of `verifyAdapterContract` ask for. Serve it at `baseUrl`. */
export async function adapterContractHandler(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const [, what, argument] = /\/(status|echo|cookies|redirect|bytes|drip|hang|broken|empty)(?:\/(\d+))?$/.exec(url.pathname) ?? [];
  switch (what) {
    case "status": {
      const status = Number(argument);
      return new Response(status === 204 || status === 304 ? null : `status ${status}`, { status, headers: { "X-Contract": "yes", "content-type": "text/plain;charset=UTF-8" } });
    }
    case "echo":
      return Response.json({ method: request.method, search: url.search, headers: Object.fromEntries(request.headers), body: await request.text() });
    case "cookies": {
      const headers = new Headers({ "X-List": "a" });
      for (const cookie of ["a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT", "b=2"]) headers.append("set-cookie", cookie);
      return new Response("cookies", { headers });
    }
    case "redirect":
      return new Response(null, { status: 302, headers: { location: "/status/200" } });
    case "bytes":
      return new Response(Uint8Array.from({ length: Number(argument) }, (_, i) => i % 256), { headers: { "content-type": "application/octet-stream" } });
    case "drip": {
      // The second half comes when the first was read: a reader that collects never sees it. It gives up with its request.
      const encoder = new TextEncoder();
      let sent = 0;
      return new Response(new ReadableStream({
        async pull(controller) {
          if (sent++ === 0) controller.enqueue(encoder.encode("first"));
          else await until(request.signal, 30_000).then(() => controller.close());
        },
      }, { highWaterMark: 0 }), { headers: { "content-type": "text/plain" } });
    }
    case "hang":
      await until(request.signal, 30_000);
      return new Response("late");
    case "broken": {
      let sent = 0;
      return new Response(new ReadableStream({
        pull(controller) {
          if (sent++ < 2) controller.enqueue(new Uint8Array(10));
          else controller.error(new Error("the contract breaks this body"));
        },
      }, { highWaterMark: 0 }), { headers: { "content-type": "application/octet-stream" } });
    }
    case "empty":
      return new Response(null, { status: 204 });
    default:
      return new Response("no rule asks for this", { status: 404 });
  }
}

function until(signal: AbortSignal, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = AbortSignal.timeout(limitMs);
    for (const each of [signal, stop]) {
      if (each.aborted) resolve();
      each.addEventListener("abort", () => resolve(), { once: true });
    }
  });
}
