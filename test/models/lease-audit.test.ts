/** The audit of the lease at full length: thousands of virtual seconds. */

import { auditLeases } from "./lease-audit.ts";

auditLeases(1);
