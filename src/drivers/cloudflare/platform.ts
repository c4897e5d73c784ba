/** What the runtime allows, asked once. */

/**
 * Whether a promise of one request may be settled by another one, and go on in its own: not in workerd with compatibility
 * dates before 2024-10-14. Everywhere else there is no such rule.
 */
export function canShareRequests(): boolean {
  const { navigator, Cloudflare } = globalThis as { navigator?: { userAgent?: string }; Cloudflare?: { compatibilityFlags?: Readonly<Record<string, boolean>> } };
  if (navigator?.userAgent !== "Cloudflare-Workers") return true;
  return Cloudflare?.compatibilityFlags?.["handle_cross_request_promise_resolution"] === true;
}
