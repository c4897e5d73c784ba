/** Applies what policies ask for to the input of the next ones. */

import type { Identity } from "../types.ts";
import type { Mutation, PolicyInput } from "./protocol.ts";

/** An input that can be changed; the header fields and attributes are copies. */
export type WorkingInput = { -readonly [Name in keyof PolicyInput]: PolicyInput[Name] };

export function workingCopy(input: PolicyInput): WorkingInput {
  return { ...input, headers: new Headers(input.headers), ...(input.trailers === undefined ? undefined : { trailers: new Headers(input.trailers) }), attributes: new Map(input.attributes) };
}

export function applyMutations(input: WorkingInput, mutations: readonly Mutation[]): void {
  for (const mutation of mutations) apply(input, mutation);
}

function apply(input: WorkingInput, mutation: Mutation): void {
  switch (mutation.type) {
    case "header":
      changeHeader(input.headers, mutation.op, mutation.name, mutation.value);
      return;
    case "body":
      if (mutation.op === "clear" || mutation.content === undefined) delete (input as { body?: unknown }).body;
      else input.body = mutation.content;
      return;
    case "status":
      input.status = mutation.code;
      return;
    case "attribute":
      input.attributes.set(mutation.key, mutation.value);
      return;
    case "identity":
      input.identity = mutation.identity satisfies Identity;
  }
}

export function changeHeader(headers: Headers, op: "set" | "remove" | "append", name: string, value: string | undefined): void {
  if (op === "remove") headers.delete(name);
  else if (op === "append") headers.append(name, value ?? "");
  else headers.set(name, value ?? "");
}
