/** The proof that every rule of a suite can fail: a store that breaks it is caught by that very rule. */

import { describeReport } from "../conformance.ts";
import type { ContractReport } from "../report.ts";

/**
 * Runs `verify` with a store that breaks each rule in turn and returns the complaints: rules nobody breaks, and flaws
 * that their rule did not catch. `flaws` are further ones, as `rule#variant`.
 */
export async function uncaught(rules: readonly string[], flaws: readonly string[], verify: (flaw: string, rule: string) => Promise<ContractReport>): Promise<string[]> {
  const complaints: string[] = [];
  for (const flaw of [...rules, ...flaws]) {
    const rule = flaw.split("#")[0] as string;
    const report = await verify(flaw, rule);
    if (!report.violations.some((violation) => violation.rule === rule)) complaints.push(`${flaw} was not caught: ${describeReport(report)}`);
  }
  return complaints;
}
