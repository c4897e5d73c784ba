/** Changes of fields as `requestTransform` and `responseTransform` have them. */

import { checkFieldName, checkFieldValue, checkNames, checkRecord } from "../../option-checks.ts";

export interface FieldEdits {
  readonly setHeaders?: Readonly<Record<string, string>>;
  readonly removeHeaders?: readonly string[];
  readonly renameHeaders?: Readonly<Record<string, string>>;
}

/** Renames, then sets, then removes. */
export function editFields(headers: Headers, edits: FieldEdits): void {
  const moved: [string, string][] = [];
  for (const [from, to] of Object.entries(edits.renameHeaders ?? {})) {
    const value = headers.get(from);
    if (value === null) continue;
    // All are taken before any is put: two names may change places.
    moved.push([to, value]);
    headers.delete(from);
  }
  for (const [name, value] of moved) headers.set(name, value);
  for (const [name, value] of Object.entries(edits.setHeaders ?? {})) headers.set(name, value);
  for (const name of edits.removeHeaders ?? []) headers.delete(name);
}

export function checkEdits(edits: FieldEdits): void {
  if (edits.setHeaders !== undefined) {
    checkRecord("setHeaders", edits.setHeaders);
    for (const [name, value] of Object.entries(edits.setHeaders)) checkFieldValue(`setHeaders.${checkFieldName("a name in setHeaders", name)}`, value);
  }
  checkNames("removeHeaders", edits.removeHeaders);
  for (const name of edits.removeHeaders ?? []) checkFieldName("removeHeaders", name);
  if (edits.renameHeaders !== undefined) {
    checkRecord("renameHeaders", edits.renameHeaders);
    for (const [from, to] of Object.entries(edits.renameHeaders)) checkFieldName(`renameHeaders.${checkFieldName("a name in renameHeaders", from)}`, to);
  }
}
