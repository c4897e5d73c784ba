/** The few names used of the platform's module. Not part of what is published. */
declare module "cloudflare:workers" {
  export const DurableObject: unknown;
  export const waitUntil: ((promise: Promise<unknown>) => void) | undefined;
}
