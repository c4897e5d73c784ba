/** `rbac`: what a caller must be, once it is known who it is. */

import { checkString } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { authVerdict } from "../../evaluation/verdicts.ts";
import { GatewayError } from "../../errors.ts";
import { checkBoolean, checkForwardName, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { tellApart } from "../../identity.ts";
import type { Identity, PolicyOptions } from "../../types.ts";
import { applyDecision, type AuthDecision, refused } from "./authorize.ts";

export interface RbacConfig extends PolicyOptions {
  /** Roles of which a caller needs one. */
  readonly roles?: readonly string[];
  /** Permissions of which a caller needs all. */
  readonly permissions?: readonly string[];
  /** Field in which an earlier policy has written the caller's roles. @default "x-user-role" */
  readonly roleHeader?: string;
  /** Field in which an earlier policy has written the caller's permissions. @default "x-user-permissions" */
  readonly permissionHeader?: string;
  /** Between roles in their field. @default "," */
  readonly roleDelimiter?: string;
  /** Between permissions in their field. @default "," */
  readonly permissionDelimiter?: string;
  /** Detail of a refusal. @default "The caller may not do this" */
  readonly denyMessage?: string;
  /** Remove a client's own copies of both fields before any policy runs. `false` is for a proxy in front that sets them, and through which every request comes. @default true */
  readonly stripHeaders?: boolean;
}

/**
 * Refuses callers without a required role or permission: 403 `forbidden`. Roles are those of the `identity` that an auth policy
 * established, and those an earlier policy has written into the fields. It runs after all other policies of its priority. A request whose
 * fields it reads counts as one with credentials: `cache` shares no answer to it unless the answer says so.
 */
export const rbac: PolicyFactory<RbacConfig> = /* @__PURE__ */ definePolicy<RbacConfig, undefined>({
  name: "rbac",
  priority: Priority.AUTH,
  guard: true,
  late: true,
  ownedFields: ownFields,
  validate(config) {
    if (config.roles === undefined && config.permissions === undefined) throw new OptionError("roles", undefined, 'given, or "permissions"');
    if (config.roles !== undefined) checkNames("roles", config.roles, 1);
    if (config.permissions !== undefined) checkNames("permissions", config.permissions, 1);
    checkForwardName("roleHeader", config.roleHeader ?? "x-user-role");
    checkForwardName("permissionHeader", config.permissionHeader ?? "x-user-permissions");
    for (const option of ["roleDelimiter", "permissionDelimiter"] as const) if (checkString(option, config[option] ?? ",") === "") throw new OptionError(option, "", "a non-empty string");
    checkString("denyMessage", config.denyMessage ?? "");
    checkBoolean("stripHeaders", config.stripHeaders);
  },
  // Fields of a message count only where `stripHeaders: false` says that whoever sends it may set them.
  evaluate: { onRequest: (input, { config }) => authVerdict(input, decideRbac(config, rbacInput(config, input.identity, config.stripHeaders === false ? input.headers : undefined)), ownFields(config)) },
  phases: ["request-headers"],
  handler(c, next, { config, gateway }) {
    const input = rbacInput(config, gateway.identity, c.req.raw.headers);
    applyDecision(c, gateway, decideRbac(config, input));
    // What the upstream says to a role is not for callers without it.
    if (input.roles !== null || input.permissions !== null) tellApart(gateway, JSON.stringify(["rbac", input.roles, input.permissions]));
    return next();
  },
});

function ownFields(config: RbacConfig): string[] {
  return config.stripHeaders === false ? [] : [config.roleHeader ?? "x-user-role", config.permissionHeader ?? "x-user-permissions"];
}

function rbacInput(config: RbacConfig, identity: Identity | undefined, headers: Headers | undefined): RbacInput {
  return { identity, roles: headers?.get(config.roleHeader ?? "x-user-role") ?? null, permissions: headers?.get(config.permissionHeader ?? "x-user-permissions") ?? null };
}

export interface RbacInput {
  readonly identity: Identity | undefined;
  /** Values of the two fields. */
  readonly roles: string | null;
  readonly permissions: string | null;
}

export function decideRbac(config: RbacConfig, input: RbacInput): AuthDecision {
  const { roles, permissions } = config;
  const held = new Set([...(input.identity?.roles ?? []), ...listed(input.roles, config.roleDelimiter ?? ",")]);
  const granted = new Set([...(input.identity?.permissions ?? []), ...listed(input.permissions, config.permissionDelimiter ?? ",")]);
  const allowed = (roles === undefined || roles.some((role) => held.has(role))) && (permissions === undefined || permissions.every((one) => granted.has(one)));
  return allowed ? { allowed } : refused(stackless(() => new GatewayError(403, "forbidden", config.denyMessage ?? "The caller may not do this")));
}

function listed(field: string | null, delimiter: string): string[] {
  return field === null ? [] : field.split(delimiter).map((one) => one.trim()).filter((one) => one !== "");
}
