/** Which runtime this code runs in. Told by what only that runtime has: several of them also pretend to be Node. */

export type RuntimeName = "node" | "bun" | "deno" | "workerd";

export function runtimeName(): { readonly name: RuntimeName; readonly version: string } {
  const { Deno, Bun, process, navigator } = globalThis as unknown as {
    Deno?: { version: { deno: string } };
    Bun?: { version: string };
    process?: { release?: { name?: string }; versions?: { node?: string } };
    navigator?: { userAgent?: string };
  };
  if (Deno?.version?.deno !== undefined) return { name: "deno", version: Deno.version.deno };
  if (Bun?.version !== undefined) return { name: "bun", version: Bun.version };
  if (navigator?.userAgent === "Cloudflare-Workers") return { name: "workerd", version: "" };
  if (process?.release?.name === "node" && process.versions?.node !== undefined) return { name: "node", version: process.versions.node };
  throw new Error("this is none of the runtimes the suites know");
}
