/** Leases that wait for replicas: a failover then loses no debit of what is spent. */

import { StoreError } from "../../core/errors.ts";
import type { Operation, Reply } from "../../state/contracts/driver.ts";
import type { LimitLeaseCommand, LimitLeaseGrant } from "../../state/lease/lease-command.ts";
import type { RedisConnection } from "./client.ts";
import { refusedBy } from "./refusal.ts";

/** How long a lease waits for its replicas, in ms. What is sent on the same connection waits as well. */
const REPLICAS_MS = 100;

/** Where commands ask for it, nothing is granted that too few replicas have: its units stay charged, and are nobody's. */
export function acknowledged({ replicas }: RedisConnection, operations: readonly Operation[], sent: Promise<Reply[][]> | undefined): Promise<Reply[][]> | undefined {
  if (sent === undefined || replicas === undefined) return sent;
  let wanted = 0;
  for (const { commands } of operations) for (const command of commands) wanted = Math.max(wanted, wantedBy(command));
  if (wanted === 0) return sent;
  return sent.then(async (replies) => {
    if (!replies.some((row) => row.some(isGranted))) return replies;
    const have = Number(await replicas(wanted, REPLICAS_MS).catch((error: unknown) => Promise.reject(refusedBy(error))));
    if (have >= wanted) return replies;
    return replies.map((row, at) => row.map((reply, i) => {
      const needed = wantedBy((operations[at] as Operation).commands[i]);
      return have >= needed || !isGranted(reply) ? reply : new StoreError("STORE_UNAVAILABLE", `a lease is with ${have} of ${needed} replicas`, { outcome: "unknown" });
    }));
  });
}

function wantedBy(command: unknown): number {
  return (command as Partial<LimitLeaseCommand>).waitForReplicas ?? 0;
}

function isGranted(reply: Reply): boolean {
  return ((reply as Partial<LimitLeaseGrant> | undefined)?.granted ?? 0) > 0;
}
