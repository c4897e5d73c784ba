/** Which hosts a call may reach. */

import { isAddressHost, isPublicAddress } from "../core/public-address.ts";
import type { Call } from "./call.ts";
import { StitchError } from "./errors.ts";
import { matchesHost } from "./match-host.ts";
import type { Outgoing } from "./outgoing.ts";

/** Holds every hop to `allowHosts` and `denyPrivate`. @throws StitchError `REDIRECT_REFUSED` */
export function checkTarget(call: Call, request: Outgoing): void {
  const { allowHosts, denyPrivate } = call.runtime.config;
  const { host, hostname } = new URL(request.url);
  if (allowHosts !== undefined && !allowHosts.some((allowed) => matchesHost(allowed, host, hostname))) {
    throw new StitchError("REDIRECT_REFUSED", `allowHosts does not hold ${hostname}`, { sent: request.attempt > 0 && request.sent });
  }
  const local = hostname === "localhost" || hostname.endsWith(".localhost");
  if (denyPrivate === true && (local || (isAddressHost(hostname) && !isPublicAddress(hostname)))) throw new StitchError("REDIRECT_REFUSED", "denyPrivate: the address is not public", { sent: false });
}
