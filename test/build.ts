/** Global set-up of the suites: several of them test what is built. */

import { build } from "../scripts/build.js";

export default async function setup(): Promise<void> {
  await build();
}
