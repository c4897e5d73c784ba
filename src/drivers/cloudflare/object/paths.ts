/** How objects are asked over `fetch`. */

/** Runs a batch, sent as the body. */
export const RUN_PATH = "/run";

/** Where requests to objects are addressed: it never leaves the platform. */
export const OBJECT_ORIGIN = "https://object.sluice";
