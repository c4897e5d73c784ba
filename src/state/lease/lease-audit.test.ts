/** The audit of the lease in short; `test/models` runs it at full length. */

import { auditLeases } from "../../../test/models/lease-audit.ts";

auditLeases(1 / 6);
