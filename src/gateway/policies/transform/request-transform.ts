/** `requestTransform`: changes fields of the request. */

import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { fieldVerdict } from "../../evaluation/verdicts.ts";
import { Priority } from "../../priority.ts";
import { editRequestFields } from "../../request-edit.ts";
import type { PolicyOptions } from "../../types.ts";
import { checkEdits, editFields } from "./field-edits.ts";

export interface RequestTransformConfig extends PolicyOptions {
  /** Fields and their new names; done first. */
  readonly renameHeaders?: Readonly<Record<string, string>>;
  /** Fields and their values, in the place of what is there. */
  readonly setHeaders?: Readonly<Record<string, string>>;
  /** Fields that are taken out; done last. */
  readonly removeHeaders?: readonly string[];
}

/** Renames, sets and removes fields of the request to the upstream, in that order. */
export const requestTransform: PolicyFactory<RequestTransformConfig> = /* @__PURE__ */ definePolicy<RequestTransformConfig, undefined>({
  name: "request-transform",
  priority: Priority.REQUEST_TRANSFORM,
  validate: checkEdits,
  evaluate: { onRequest: (input, { config }) => fieldVerdict(input, (headers) => editFields(headers, config)) },
  phases: ["request-headers"],
  handler(c, next, { config }) {
    editRequestFields(c, (headers) => editFields(headers, config));
    return next();
  },
});
