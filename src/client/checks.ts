/** Validators at work: on the input of a call and on what it gives. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import type { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import type { CallInput } from "./config.ts";
import { StitchError, type Issue } from "./errors.ts";
import { INPUT_SLOTS, type InputSlot, type Plan } from "./plan.ts";
import { DRIFT, isSchema, type DriftReport, type SchemaResult, type Validated, type Validator } from "./schema.ts";
import { at } from "./shape.ts";

/** The input as its validators give it. @throws StitchError `INPUT_INVALID` */
export function validateSlots(plan: Plan, input: CallInput): MaybePromise<CallInput> {
  const parsed = { ...input } as Record<string, unknown>;
  const issues: Issue[] = [];
  let waiting: Promise<void>[] | undefined;
  for (const slot of INPUT_SLOTS) {
    const validator = plan.input?.[slot];
    if (validator === undefined) continue;
    const result = validate(validator, input[slot] ?? (SLOT_RECORDS.has(slot) ? {} : input[slot]), [slot]);
    const settle = (checked: Awaited<typeof result>): void => {
      if (checked.ok) parsed[slot] = checked.value;
      else issues.push(...checked.issues);
    };
    if (isPromise(result)) (waiting ??= []).push(result.then(settle));
    else settle(result);
  }
  const end = (): CallInput => {
    if (issues.length > 0) throw new StitchError("INPUT_INVALID", `the input is invalid: ${issues.map((issue) => issue.path.join(".")).join(", ")}`, { issues });
    return parsed;
  };
  return waiting === undefined ? end() : Promise.all(waiting).then(end);
}

/** An absent record of these is checked as an empty one: the issue then names what is missing in it. */
const SLOT_RECORDS: ReadonlySet<InputSlot> = /* @__PURE__ */ new Set<InputSlot>(["params", "query", "headers", "variables"]);

/** `flag`, `transform`, `pick`, validation, in this order. */
export function shapeDeclared(call: Call, body: unknown, answer: { readonly status: number; readonly fields: Answer["fields"] }): MaybePromise<unknown> {
  const { plan } = call;
  if (plan.flag !== undefined) {
    const value = at(body, plan.flag);
    if (value === undefined || value === null) call.find({ kind: "flag", severity: "info", path: plan.flag.join(".") });
    else if (!value) throw new StitchError("RESPONSE_REJECTED", `the upstream said no: ${plan.flag.join(".")} is falsy`, { status: answer.status, sent: true, body });
  }
  if (plan.transform === undefined) return checkOutput(call, plan.pick === undefined ? body : at(body, plan.pick));
  const shaped = transformed(call, body, answer);
  return isPromise(shaped) ? (call.scope.bound(shaped) as Promise<unknown>).then((late) => checkOutput(call, plan.pick === undefined ? late : at(late, plan.pick))) : checkOutput(call, plan.pick === undefined ? shaped : at(shaped, plan.pick));
}

function transformed(call: Call, body: unknown, answer: { readonly status: number; readonly fields: Answer["fields"] }): MaybePromise<unknown> {
  try {
    const value = (call.plan.transform as (body: unknown, response: unknown) => unknown)(body, { status: answer.status, headers: answer.fields });
    return isPromise(value) ? value.catch((cause: unknown) => failed(cause)) : value;
  } catch (cause) {
    return failed(cause);
  }
}

function failed(cause: unknown): never {
  throw new StitchError("PARSE_FAILED", "transform threw", { cause, sent: true });
}

/** The value as the schema gives it. @throws StitchError `OUTPUT_INVALID` */
export function checkOutput(call: Call, value: unknown): MaybePromise<unknown> {
  const { output } = call.plan;
  if (output === undefined) return value;
  const result = validate(output, value);
  const end = (checked: Awaited<typeof result>): unknown => {
    (output as { readonly [DRIFT]?: DriftReport })[DRIFT]?.(call, value, checked);
    if (checked.ok) return checked.value;
    throw new StitchError("OUTPUT_INVALID", `the answer is not what was declared: ${checked.issues.slice(0, 5).map((issue) => issue.path.join(".") || "the value").join(", ")}`, { issues: checked.issues, sent: true, status: call.status });
  };
  return isPromise(result) ? (call.scope.bound(result) as typeof result).then(end) : end(result);
}

/** Runs a validator. A promise only where the schema is asynchronous. What it throws counts as an issue of the whole value. */
export function validate(validator: Validator, value: unknown, prefix: readonly (string | number)[] = []): MaybePromise<Validated> {
  try {
    if (!isSchema(validator)) {
      const passed = (validator as (value: unknown) => unknown)(value);
      return passed === true || (passed !== false && Boolean(passed)) ? { ok: true, value } : { ok: false, issues: [{ message: "the validator refused the value", path: prefix }] };
    }
    const result = validator["~standard"].validate(value);
    if (isPromise(result)) return result.then((late) => settled(late, prefix), (error: unknown) => thrown(error, prefix));
    return settled(result, prefix);
  } catch (error) {
    return thrown(error, prefix);
  }
}

function settled(result: SchemaResult<unknown>, prefix: readonly (string | number)[]): Validated {
  if (result.issues === undefined) return { ok: true, value: (result as { value: unknown }).value };
  return { ok: false, issues: result.issues.map(({ message, path = [] }) => ({ message, path: [...prefix, ...path.map(segment)] })) };
}

function thrown(error: unknown, prefix: readonly (string | number)[]): Validated {
  return { ok: false, issues: [{ message: `the validator threw: ${error instanceof Error ? error.message : String(error)}`, path: prefix }] };
}

function segment(part: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof part === "object" ? part.key : part;
  return typeof key === "number" ? key : String(key);
}
