/** Turns a report into a pass or a readable failure, for any test framework or none. */

import type { ContractReport } from "./report.ts";

/** What {@link assertConformance} throws; `report` is the whole report. */
export class ConformanceError extends Error {
  readonly report: ContractReport;

  constructor(report: ContractReport) {
    super(describeReport(report));
    this.report = report;
  }

  override get name(): string {
    return "ConformanceError";
  }
}

/**
 * Throws a {@link ConformanceError} that lists every violation, unless the report is clean. A report in which nothing
 * passed is not clean: everything was skipped, and nothing is known.
 *
 * ```ts
 * assertConformance(await verifyStoreContract(() => myStore()));
 * ```
 */
export function assertConformance(report: ContractReport): void {
  if (!report.ok || report.passed.length === 0) throw new ConformanceError(report);
}

/** The report as text: a summary, then one line for each violation and each skipped rule. */
export function describeReport(report: ContractReport): string {
  const { name, passed, violations, skipped } = report;
  const lines = [`${name}: ${violations.length} violated, ${passed.length} passed, ${skipped.length} skipped`];
  for (const { rule, detail, seed } of violations) lines.push(`  violated ${rule}: ${detail}${seed === undefined ? "" : ` (seed ${seed})`}`);
  for (const { rule, reason } of skipped) lines.push(`  skipped ${rule}: ${reason}`);
  return lines.join("\n");
}
