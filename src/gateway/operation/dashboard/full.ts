/** The dashboard where a process lives long enough to be watched. */

export { dashboardPage } from "./page.ts";
export { streamStats } from "./stream.ts";
