/** `geoIpFilter`: from which countries may be called. */

import { checkOneOf } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
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
export const geoIpFilter: PolicyFactory<GeoIpFilterConfig> = /* @__PURE__ */ definePolicy<GeoIpFilterConfig, { readonly allow: ReadonlySet<string>; readonly deny: ReadonlySet<string> }>({
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
  handler(c, next, { config, state }) {
    const field = config.countryHeader ?? "cf-ipcountry";
    const believed = platformSets(field) || peerIsTrusted(requestState(c));
    const country = believed ? c.req.raw.headers.get(field)?.trim().toUpperCase() : undefined;
    if (!decideCountry(config.mode ?? "deny", state, country)) throw stackless(() => new GatewayError(403, "geo_denied", "The country may not call"));
    return next();
  },
});

/** Whether a country may call; `XX` and `T1` are how Cloudflare says that it does not know one. */
export function decideCountry(mode: "allow" | "deny", { allow, deny }: { readonly allow: ReadonlySet<string>; readonly deny: ReadonlySet<string> }, country: string | undefined): boolean {
  const known = country !== undefined && /^[A-Z]{2}$/.test(country) && country !== "XX" ? country : undefined;
  if (mode === "allow") return known !== undefined && allow.has(known) && !deny.has(known);
  return known === undefined || !deny.has(known) || allow.has(known);
}

function countries(option: string, list: readonly string[] | undefined): ReadonlySet<string> {
  if (list !== undefined && !Array.isArray(list)) throw new OptionError(option, list, "a list of country codes");
  for (const code of list ?? []) if (typeof code !== "string" || !/^[A-Za-z]{2}$/.test(code)) throw new OptionError(option, code, "made of two-letter country codes");
  return new Set((list ?? []).map((code) => code.toUpperCase()));
}
