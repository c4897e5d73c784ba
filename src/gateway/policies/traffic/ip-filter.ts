/** `ipFilter`: which addresses may call. */

import { checkOneOf } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { UNKNOWN_ADDRESS } from "../../client-ip.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { orReject } from "../../evaluation/verdicts.ts";
import { type AddressBlocks, parseBlocks } from "../../ip-address.ts";
import { checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface IpFilterConfig extends PolicyOptions {
  /** Addresses and CIDR blocks that may call; in the mode `deny` they are exceptions from `deny`. */
  readonly allow?: readonly string[];
  /** Addresses and CIDR blocks that may not call, in either mode. */
  readonly deny?: readonly string[];
  /** `deny`: all may call but those in `deny`. `allow`: only those in `allow`, and of them none in `deny`. @default "deny" */
  readonly mode?: "allow" | "deny";
  /** Request fields that may hold the client's address, where `trustProxy` lets them count. */
  readonly ipHeaders?: readonly string[];
}

interface IpFilterState {
  readonly allow: AddressBlocks;
  readonly deny: AddressBlocks;
}

/** Refuses with 403 `ip_denied`. An unknown address is refused in the mode `allow`. */
export const ipFilter: PolicyFactory<IpFilterConfig> = /* @__PURE__ */ definePolicy<IpFilterConfig, IpFilterState>({
  name: "ip-filter",
  priority: Priority.IP_FILTER,
  guard: true,
  validate(config) {
    const mode = checkOneOf("mode", config.mode ?? "deny", ["allow", "deny"]);
    if (config[mode] === undefined) throw new OptionError(mode, undefined, `given in the mode "${mode}"`);
    checkNames("ipHeaders", config.ipHeaders);
    stateOf(config);
  },
  setup: stateOf,
  // Whoever evaluates a message says where it comes from: its fields are not asked.
  evaluate: { onRequest: ({ clientIp }, { config, state }) => orReject(refusalOf(config, state, clientIp ?? UNKNOWN_ADDRESS)) },
  phases: ["request-headers"],
  handler(_c, next, { config, state, gateway }) {
    const refusal = refusalOf(config, state, config.ipHeaders === undefined ? gateway.clientIp : gateway.clientAddress(config.ipHeaders));
    if (refusal !== undefined) throw refusal;
    return next();
  },
});

function refusalOf(config: IpFilterConfig, state: IpFilterState, address: string): GatewayError | undefined {
  return decideIp(config.mode ?? "deny", state, address) ? undefined : stackless(() => new GatewayError(403, "ip_denied", "The address may not call"));
}

/** Whether an address may call. */
export function decideIp(mode: "allow" | "deny", { allow, deny }: IpFilterState, address: string): boolean {
  if (mode === "allow") return address !== UNKNOWN_ADDRESS && allow.contains(address) && !deny.contains(address);
  return !deny.contains(address) || allow.contains(address);
}

function stateOf(config: IpFilterConfig): IpFilterState {
  return { allow: blocks("allow", config.allow), deny: blocks("deny", config.deny) };
}

function blocks(option: string, entries: readonly string[] | undefined): AddressBlocks {
  if (entries !== undefined && !Array.isArray(entries)) throw new OptionError(option, entries, "a list of addresses and CIDR blocks");
  const parsed = parseBlocks(entries ?? []);
  if ("invalid" in parsed) throw new OptionError(option, parsed.invalid, "made of addresses and CIDR blocks, such as 10.0.0.0/8");
  return parsed;
}
