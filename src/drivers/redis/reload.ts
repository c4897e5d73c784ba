/** A script by its digest, and whole when the server does not know it. */

/** A server that does not know the script says so before it runs anything, so sending the source is no repetition. */
export function withReload(bySha: () => Promise<unknown>, bySource: () => Promise<unknown>): Promise<unknown> {
  return bySha().catch((error: unknown) => {
    if (error instanceof Error && error.message.includes("NOSCRIPT")) return bySource();
    throw error;
  });
}
