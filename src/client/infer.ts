/** What the types of a stitch's input and output follow from: its URL template and its schemas. */

import type { StandardSchema } from "./schema.ts";

type Trimmed<S extends string> = S extends `${infer Name}*` ? Name : S extends `${infer Name}:${string}` ? Name : S;
type Listed<S extends string> = S extends `${infer First},${infer Rest}` ? Trimmed<First> | Listed<Rest> : Trimmed<S>;

type PathNames<Body extends string> = Body extends `?${string}` | `&${string}` ? never : Body extends `${"+" | "." | "/" | ";"}${infer Rest}` ? Listed<Rest> : Listed<Body>;
type QueryNames<Body extends string> = Body extends `${"?" | "&"}${infer Rest}` ? Listed<Rest> : never;

type Bodies<S extends string> = S extends `${string}{${infer Body}}${infer Rest}` ? Body | Bodies<Rest> : never;

/** A value a path or query variable takes. */
export type ParamValue = string | number | boolean | Date | readonly (string | number | boolean)[] | Readonly<Record<string, string | number | boolean>>;

type RequiredNames<S extends string> = { [B in Bodies<S>]: PathNames<B> }[Bodies<S>];
type OptionalNames<S extends string> = { [B in Bodies<S>]: QueryNames<B> }[Bodies<S>];

/** The variables of a literal template. A template that is only known to be text takes any. */
export type ParamsOf<S> = S extends string
  ? string extends S
    ? Readonly<Record<string, ParamValue | undefined>>
    : { readonly [Name in RequiredNames<S>]: ParamValue } & { readonly [Name in Exclude<OptionalNames<S>, RequiredNames<S>>]?: ParamValue | undefined }
  : Readonly<Record<string, ParamValue | undefined>>;

type Text<C, K extends string> = C extends { readonly [P in K]: infer S extends string } ? S : "";

/** The template of a configuration, as far as it is literal. */
export type TemplateOf<C> = C extends string
  ? C extends `${string} ${infer Url}` ? Url : C
  : C extends { readonly url: infer U } ? (U extends string ? U : string) : `${Text<C, "baseUrl">}${Text<C, "path">}`;

/** What a validator takes. */
export type InputOf<V> = V extends StandardSchema<infer I, unknown> ? I : V extends { readonly "~standard": { readonly types?: { readonly input: infer I } | undefined } } ? I : V extends (value: unknown) => value is infer T ? T : unknown;
/** What a validator gives. */
export type OutputOf<V> = V extends { readonly "~standard": { readonly types?: { readonly output: infer O } | undefined } } ? O : V extends (value: unknown) => value is infer T ? T : unknown;

type Slot<C, K extends string> = C extends { readonly input: { readonly [P in K]: infer V } } ? V : undefined;

type MaybeOptional<K extends string, T> = undefined extends T ? { readonly [P in K]?: T } : Record<never, never> extends T ? { readonly [P in K]?: T } : { readonly [P in K]: T };

type SlotOf<C, K extends string, Fallback> = Slot<C, K> extends undefined ? { readonly [P in K]?: Fallback } : MaybeOptional<K, InputOf<Slot<C, K>>>;

type ParamsSlot<C> = Slot<C, "params"> extends undefined ? MaybeOptional<"params", ParamsOf<TemplateOf<C>>> : MaybeOptional<"params", InputOf<Slot<C, "params">>>;

/** What every call takes beside the typed slots. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly direction: "upload" | "download"; readonly loadedBytes: number; readonly totalBytes?: number }) => void;
  /** Sent as the idempotency key of this call in place of a fresh one. */
  readonly idempotencyKey?: string;
  /** Turns of the throttle this call takes. @default 1 */
  readonly cost?: number;
  /** Where an earlier pagination stopped: `page.resume`. */
  readonly resume?: unknown;
}

/** Input of the stitch that `C` declares. */
export type InOf<C> = ParamsSlot<C> & SlotOf<C, "query", Readonly<Record<string, unknown>>> & SlotOf<C, "body", unknown> & SlotOf<C, "headers", Readonly<Record<string, string | undefined>> | Headers>
  & SlotOf<C, "variables", Readonly<Record<string, unknown>>> & CallOptions;

/** Output of the stitch that `C` declares. */
export type OutOf<C> = C extends { readonly output: infer V } ? (C extends { readonly kind: "sse" | "stream" } | { readonly paginate: object } ? OutputOf<V>[] : OutputOf<V>)
  : C extends { readonly pick: string } ? unknown
  : C extends { readonly transform: (...args: never[]) => infer R } ? Awaited<R>
  : C extends { readonly response: "text" } ? string
  : C extends { readonly response: "bytes" } ? Uint8Array
  : C extends { readonly response: "blob" } ? Blob
  : C extends { readonly response: "raw" } ? RawResult
  : C extends { readonly kind: "sse" | "stream" } ? unknown[]
  : unknown;

/** What a stitch with `response: "raw"` gives. Read the body or cancel it: it holds the connection. */
export interface RawResult {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: ReadableStream<Uint8Array>;
}

/** Input slots that are all optional leave the argument optional. */
export type Args<In> = Record<never, never> extends In ? [input?: In] : [input: In];
