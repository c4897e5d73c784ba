/**
 * The port for interim responses (1xx, RFC 9110 15.2). A runtime that can send them puts a function under
 * {@link SEND_INTERIM} on the outgoing message in the `env` of its requests; elsewhere they end at the gateway.
 */

/** Sends an interim response with a flat list of names and values, unless the answer has begun. */
export type SendInterim = (status: number, fields: readonly string[]) => void;

export const SEND_INTERIM: unique symbol = /* @__PURE__ */ Symbol.for("sluice.send-interim") as never;

/** What sends interim responses to the client of a request with this `env`. */
export function interimSender(env: unknown): SendInterim | undefined {
  const outgoing = (env as { outgoing?: { [SEND_INTERIM]?: SendInterim } } | undefined | null)?.outgoing;
  return typeof outgoing?.[SEND_INTERIM] === "function" ? (status, fields) => outgoing[SEND_INTERIM]?.(status, fields) : undefined;
}
