/** The options of a balanced upstream, checked and with their defaults. */

import { configError } from "../errors.ts";
import { known } from "../validate.ts";
import { FORWARD_OPTIONS } from "./forward-settings.ts";
import type { EjectionSettings } from "./target-health.ts";
import type { Balance, BalancedTarget, BalancedUpstream, CanaryOptions, EjectionOptions, HealthCheckOptions } from "./types.ts";

const OPTIONS = ["type", "targets", "balance", "hashKey", "ejection", "healthCheck", "canary", ...FORWARD_OPTIONS] as const satisfies readonly (keyof BalancedUpstream)[];
const BALANCES: readonly Balance[] = ["round-robin", "weighted", "least-pending", "consistent-hash"];

export interface BalancedSettings {
  readonly targets: readonly Required<BalancedTarget>[];
  readonly balance: Balance;
  readonly hashKey: BalancedUpstream["hashKey"];
  readonly ejection: EjectionSettings | undefined;
  readonly healthCheck: Required<HealthCheckOptions> | undefined;
  readonly canary: CanaryOptions | undefined;
}

/** Throws a `config_error` naming option and route. The URLs themselves are checked where they are parsed. */
export function balancedSettings(config: BalancedUpstream, where: string): BalancedSettings {
  known(`option of the upstream of ${where}`, config, OPTIONS);
  const at = (name: string): string => `"${name}" of the upstream of ${where}`;
  const { targets, balance = "round-robin", hashKey, canary } = config;
  if (!Array.isArray(targets) || targets.length === 0) throw configError(at("targets"), targets, "a list of at least one target");
  const seen = new Set<string>();
  const checked = (targets as readonly BalancedTarget[]).map((target, index) => {
    if (typeof target !== "object" || target === null) throw configError(at(`targets[${index}]`), target, "an object with a url");
    known(`option of "targets[${index}]" of the upstream of ${where}`, target, ["url", "weight", "canary"]);
    const { url, weight = 1, canary: only = false } = target;
    if (!Number.isSafeInteger(weight) || weight < 0 || weight > 1_000_000) throw configError(at(`targets[${index}].weight`), weight, "an integer from 0 to 1000000");
    if (typeof only !== "boolean") throw configError(at(`targets[${index}].canary`), only, "a boolean");
    if (seen.has(url)) throw configError(at(`targets[${index}].url`), url, "different from the other targets");
    seen.add(url);
    return { url, weight, canary: only };
  });
  if (checked.every((target) => target.canary)) throw configError(at("targets"), targets, "a list with a target that is no canary");
  if (!BALANCES.includes(balance)) throw configError(at("balance"), balance, `one of ${BALANCES.map((name) => `"${name}"`).join(", ")}`);
  if (hashKey !== undefined && typeof hashKey !== "function") throw configError(at("hashKey"), hashKey, "a function");
  if (canary !== undefined) checkCanary(canary, checked, where);
  return { targets: checked, balance, hashKey, ejection: ejection(config.ejection, where), healthCheck: healthCheck(config.healthCheck, where), canary };
}

function checkCanary(canary: CanaryOptions, targets: readonly Required<BalancedTarget>[], where: string): void {
  const at = (name: string): string => `"${name}" of the upstream of ${where}`;
  if (typeof canary !== "object" || canary === null) throw configError(at("canary"), canary, "an object");
  known(`option of "canary" of the upstream of ${where}`, canary, ["target", "percent", "stickyBy"]);
  const { target, percent, stickyBy } = canary;
  if (typeof percent !== "number" || !(percent >= 0 && percent <= 100)) throw configError(at("canary.percent"), percent, "a number from 0 to 100");
  if (stickyBy !== undefined && typeof stickyBy !== "function") throw configError(at("canary.stickyBy"), stickyBy, "a function");
  if (target === undefined && !targets.some((one) => one.canary)) throw configError(at("canary.target"), target, "a URL, or a target must be marked canary");
}

function ejection(option: EjectionOptions | false | undefined, where: string): EjectionSettings | undefined {
  if (option === false) return undefined;
  const settings = numbers("ejection", option, { consecutiveFailures: 5, baseMs: 30_000, maxMs: 300_000, maxPercent: 50 }, where);
  if (settings.maxPercent > 100) throw configError(`"ejection.maxPercent" of the upstream of ${where}`, settings.maxPercent, "at most 100");
  return settings;
}

function healthCheck(option: HealthCheckOptions | undefined, where: string): Required<HealthCheckOptions> | undefined {
  if (option === undefined) return undefined;
  const { path, ...rest } = option;
  if (typeof path !== "string" || !path.startsWith("/")) throw configError(`"healthCheck.path" of the upstream of ${where}`, path, `a path starting with "/"`);
  return { path, ...numbers("healthCheck", rest, { intervalMs: 10_000, timeoutMs: 2000, healthy: 2, unhealthy: 3 }, where) };
}

/** Numbers above 0 (at least 1 where they count something), with their defaults. */
function numbers<Names extends string>(option: string, given: object | undefined, defaults: Readonly<Record<Names, number>>, where: string): Record<Names, number> {
  if (given !== undefined && (typeof given !== "object" || given === null)) throw configError(`"${option}" of the upstream of ${where}`, given, "an object");
  known(`option of "${option}" of the upstream of ${where}`, given ?? {}, Object.keys(defaults));
  const all = { ...defaults } as Record<string, number>;
  for (const [name, value] of Object.entries((given ?? {}) as Record<string, unknown>)) {
    if (value === undefined) continue;
    const counts = !name.endsWith("Ms") && name !== "maxPercent";
    if (typeof value !== "number" || !Number.isFinite(value) || !(counts ? Number.isSafeInteger(value) && value >= 1 : value >= (name === "maxPercent" ? 0 : 1))) {
      throw configError(`"${option}.${name}" of the upstream of ${where}`, value, counts ? "an integer of at least 1" : name === "maxPercent" ? "a number from 0 to 100" : "a number of ms of at least 1");
    }
    all[name] = value;
  }
  return all as Record<Names, number>;
}
