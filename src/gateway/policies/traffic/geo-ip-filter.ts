/** `geoIpFilter`: from which countries may be called. */

import { checkOneOf } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { orReject } from "../../evaluation/verdicts.ts";
import { checkFieldName } from "../../option-checks.ts";
import { peerIsTrusted, platformSets } from "../../peer-trust.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface GeoIpFilterConfig extends PolicyOptions {
  /** Countries (ISO 3166-1 alpha-2) that may call. */
  readonly allow?: readonly string[];
  /** Countries that may not call, in either mode. */
  readonly deny?: readonly string[];
  /** `deny`: all may call but those in `deny`. `allow`: only those in `allow`, and of them none in `deny`. @default "deny" */
  readonly mode?: "allow" | "deny";
  /** Field with the country. It counts only from the platform, or from a proxy that `trustProxy` trusts. @default "cf-ipcountry" */
  readonly countryHeader?: string;
}

/** Refuses with 403 `geo_denied`. An unknown country is refused in the mode `allow`. */
export const geoIpFilter: PolicyFactory<GeoIpFilterConfig> = /* @__PURE__ */ definePolicy<GeoIpFilterConfig, Countries>({
  name: "geo-ip-filter",
  priority: Priority.IP_FILTER,
  guard: true,
  validate(config) {
    const mode = checkOneOf("mode", config.mode ?? "deny", ["allow", "deny"]);
    if (config[mode] === undefined) throw new OptionError(mode, undefined, `given in the mode "${mode}"`);
    checkFieldName("countryHeader", config.countryHeader ?? "cf-ipcountry");
    for (const option of ["allow", "deny"] as const) countries(option, config[option]);
  },
  setup: (config) => ({ allow: countries("allow", config.allow), deny: countries("deny", config.deny) }),
  // Nobody vouches for the field of a message that is evaluated elsewhere, unless the platform sets it.
  evaluate: {
    onRequest({ headers }, { config, state }) {
      const field = config.countryHeader ?? "cf-ipcountry";
      return orReject(refusalOf(config, state, platformSets(field) ? headers.get(field) : null));
    },
  },
  phases: ["request-headers"],
  handler(c, next, { config, state }) {
    const field = config.countryHeader ?? "cf-ipcountry";
    const believed = platformSets(field) || peerIsTrusted(requestState(c));
    const refusal = refusalOf(config, state, believed ? c.req.raw.headers.get(field) : null);
    if (refusal !== undefined) throw refusal;
    return next();
  },
});

interface Countries {
  readonly allow: ReadonlySet<string>;
  readonly deny: ReadonlySet<string>;
}

function refusalOf(config: GeoIpFilterConfig, state: Countries, field: string | null): GatewayError | undefined {
  const allowed = decideCountry(config.mode ?? "deny", state, field?.trim().toUpperCase());
  return allowed ? undefined : stackless(() => new GatewayError(403, "geo_denied", "The country may not call"));
}

/** Whether a country may call; `XX` and `T1` are how Cloudflare says that it does not know one. */
export function decideCountry(mode: "allow" | "deny", { allow, deny }: Countries, country: string | undefined): boolean {
  const known = country !== undefined && /^[A-Z]{2}$/.test(country) && country !== "XX" ? country : undefined;
  if (mode === "allow") return known !== undefined && allow.has(known) && !deny.has(known);
  return known === undefined || !deny.has(known) || allow.has(known);
}

function countries(option: string, list: readonly string[] | undefined): ReadonlySet<string> {
  if (list !== undefined && !Array.isArray(list)) throw new OptionError(option, list, "a list of country codes");
  for (const code of list ?? []) if (typeof code !== "string" || !/^[A-Za-z]{2}$/.test(code)) throw new OptionError(option, code, "made of two-letter country codes");
  return new Set((list ?? []).map((code) => code.toUpperCase()));
}
