/** `responseTransform`: changes fields of the response. */

import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { fieldVerdict } from "../../evaluation/verdicts.ts";
import { Priority } from "../../priority.ts";

import type { PolicyOptions } from "../../types.ts";
import { checkEdits, editFields } from "./field-edits.ts";

export interface ResponseTransformConfig extends PolicyOptions {
  /** Fields and their new names; done first. */
  readonly renameHeaders?: Readonly<Record<string, string>>;
  /** Fields and their values, in the place of what is there. */
  readonly setHeaders?: Readonly<Record<string, string>>;
  /** Fields that are taken out; done last. */
  readonly removeHeaders?: readonly string[];
}

/** Renames, sets and removes fields of the response to the client, in that order. */
export const responseTransform: PolicyFactory<ResponseTransformConfig> = /* @__PURE__ */ definePolicy<ResponseTransformConfig, undefined>({
  name: "response-transform",
  priority: Priority.RESPONSE_TRANSFORM,
  validate: checkEdits,
  evaluate: { onResponse: (input, { config }) => fieldVerdict(input, (headers) => editFields(headers, config)) },
  phases: ["response-headers"],
  async handler(c, next, { config }) {
    await next();
    editFields(c.res.headers, config);
  },
});
