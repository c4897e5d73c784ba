/**
 * All of several limits on one subject, in one record: all are tested, then all are charged or none.
 *
 * Bounds: those of each member, since a charge that passes is charged to every member in the same step. A refusal
 * charges nobody; its binding member is the one that stays shut longest, `null` (for ever) above all.
 */

import { OptionError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitTicket } from "../contracts/limits.ts";
import { defineAlgorithm } from "../define-algorithm.ts";
import { MAX_VARINT_BYTES, VarintReader, corrupt, pushVarint } from "../varint.ts";

/** Limits of one record: what keeps it small. */
export const MAX_MEMBERS = 16;

/** One policy per member, in their order. */
export type AllOfCommand =
  | { readonly cost: number; readonly policies: readonly unknown[]; readonly dry?: boolean; readonly ticket?: boolean }
  | { readonly refund: AllOfTicket; readonly policies: readonly unknown[]; readonly cost?: number }
  | { readonly settle: AllOfTicket; readonly actual: number; readonly policies: readonly unknown[] }
  | { readonly reset: true; readonly policies: readonly unknown[] };

/** The tickets of the members, in their order. */
export type AllOfTicket = readonly (LimitTicket | undefined)[];

export interface AllOfDecision {
  allowed: boolean;
  /** The member that refuses longest, or -1 when allowed. */
  binding: number;
  decisions: readonly LimitDecision[];
  ticket?: AllOfTicket;
}

type Member = Algorithm<unknown, LimitCommand<unknown>, LimitDecision>;
type State = readonly unknown[];

/** The algorithm for these members; the same members in the same order give the same object. */
export function allOf(members: readonly Member[]): Algorithm<State, AllOfCommand, AllOfDecision> {
  if (members.length === 0 || members.length > MAX_MEMBERS) throw new OptionError("members", members.length, `1 to ${MAX_MEMBERS} algorithms`);
  let node = root;
  for (const member of members) {
    let next = node.next.get(member);
    if (next === undefined) node.next.set(member, (next = { next: new WeakMap(), algorithm: undefined }));
    node = next;
  }
  return (node.algorithm ??= compose([...members]));
}

interface Node {
  readonly next: WeakMap<Member, Node>;
  algorithm: Algorithm<State, AllOfCommand, AllOfDecision> | undefined;
}

const root: Node = { next: /* @__PURE__ */ new WeakMap(), algorithm: undefined };

function compose(members: readonly Member[]): Algorithm<State, AllOfCommand, AllOfDecision> {
  function step(state: State | undefined, command: AllOfCommand, now: number): Step<State, AllOfDecision> {
    if (!isCharge(command)) {
      const { state: next, reply, expiresAt } = run(members, state, (i) => part(command, i), now);
      return { state: next, reply: { ...reply, allowed: true, binding: -1 }, expiresAt };
    }
    const tested = run(members, state, (i) => ({ cost: command.cost, policy: command.policies[i], dry: true }), now);
    if (!tested.reply.allowed || command.dry === true) return tested;
    return run(members, state, (i) => ({ cost: command.cost, policy: command.policies[i], ticket: command.ticket }), now);
  }

  const composed = defineAlgorithm({
    name: "all-of",
    version: 1,
    maxStateBytes: MAX_VARINT_BYTES + members.reduce((sum, { maxStateBytes }) => sum + maxStateBytes + 1 + MAX_VARINT_BYTES, 0),
    step,
    encode: (state) => encode(members, state),
    decode: (bytes) => decode(members, bytes),
  });
  return Object.freeze({ ...composed, members: Object.freeze([...members]) });
}

type Charge = Extract<AllOfCommand, { readonly dry?: boolean }>;

function isCharge(command: AllOfCommand): command is Charge {
  const { refund, settle, reset } = command as { refund?: unknown; settle?: unknown; reset?: unknown };
  return refund === undefined && settle === undefined && reset === undefined;
}

function run(members: readonly Member[], state: State | undefined, commandOf: (i: number) => LimitCommand<unknown>, now: number): Step<State, AllOfDecision> {
  const decisions: LimitDecision[] = [];
  const states: unknown[] = [];
  let binding = -1;
  let changed = false;
  let present = false;
  let expiresAt: number | undefined = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as Member;
    const old = state?.[i];
    const command = commandOf(i);
    const next = member.step(old, command, now);
    decisions.push(next.reply);
    states.push(next.state);
    if (next.state !== old) changed = true;
    if (next.state !== undefined) {
      present = true;
      expiresAt = expiresAt === undefined || next.expiresAt === undefined ? undefined : Math.max(expiresAt, next.expiresAt);
    }
    if (!next.reply.allowed && (binding < 0 || later(next.reply, decisions[binding] as LimitDecision))) binding = i;
  }
  const reply: AllOfDecision = { allowed: binding < 0, binding, decisions };
  if (decisions.some(({ ticket }) => ticket !== undefined)) reply.ticket = decisions.map(({ ticket }) => ticket);
  if (!present) return { state: undefined, reply, expiresAt: undefined };
  return { state: changed ? states : state, reply, expiresAt };
}

/** What a refund, a settlement or a reset says to one member. One without a ticket is only asked how it stands. */
function part(command: Exclude<AllOfCommand, Charge>, i: number): LimitCommand<unknown> {
  const policy = command.policies[i];
  if ("refund" in command) {
    const ticket = command.refund[i];
    return ticket === undefined ? { cost: 0, policy } : { refund: ticket, policy, cost: command.cost };
  }
  if ("settle" in command) {
    const ticket = command.settle[i];
    return ticket === undefined ? { cost: 0, policy } : { settle: ticket, actual: command.actual, policy };
  }
  return { reset: true, policy };
}

function later(a: LimitDecision, b: LimitDecision): boolean {
  return b.retryAfterMs !== null && (a.retryAfterMs === null || a.retryAfterMs > b.retryAfterMs);
}

/** Count of members, then for each its length plus one, its version and its bytes; 0 for a member without state. */
function encode(members: readonly Member[], state: State): Uint8Array {
  const bytes: number[] = [];
  pushVarint(bytes, members.length);
  members.forEach((member, i) => {
    if (state[i] === undefined) {
      pushVarint(bytes, 0);
      return;
    }
    const encoded = member.encode(state[i]);
    pushVarint(bytes, encoded.length + 1);
    bytes.push(member.version);
    for (const byte of encoded) bytes.push(byte);
  });
  return Uint8Array.from(bytes);
}

function decode(members: readonly Member[], bytes: Uint8Array): State {
  const reader = new VarintReader(bytes);
  if (reader.next() !== members.length) throw corrupt("a record holds another number of limits");
  const state = members.map((member) => {
    const length = reader.next();
    if (length === 0) return undefined;
    const encoded = reader.bytes(length);
    if (encoded[0] !== member.version) throw corrupt(`a ${member.name} of version ${encoded[0]} inside it is unknown`);
    return member.decode(encoded.subarray(1)) as unknown;
  });
  reader.end();
  if (state.every((part) => part === undefined)) throw corrupt("a record holds no state");
  return state;
}
