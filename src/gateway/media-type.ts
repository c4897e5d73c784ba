/** Media types by their essence: type and subtype in lower case, without parameters (RFC 9110 8.3.1). */

export function essenceOf(contentType: string | null | undefined): string {
  if (contentType === null || contentType === undefined) return "";
  const end = contentType.indexOf(";");
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** Whether the type is in the list. `application/json` in it also means `*+json`; `text/*` means all of a kind. */
export function mediaTypeIn(contentType: string | null | undefined, list: readonly string[]): boolean {
  const essence = essenceOf(contentType);
  if (essence === "") return false;
  return list.some((entry) => {
    const wanted = essenceOf(entry);
    if (wanted === essence || wanted === "*/*") return true;
    if (wanted === "application/json") return essence.endsWith("+json");
    return wanted.endsWith("/*") && essence.startsWith(wanted.slice(0, -1));
  });
}

/** Whether text of the type is in UTF-8, as far as the type says: ASCII is part of it, and no charset leaves it open. */
export function isUtf8Type(contentType: string | null | undefined): boolean {
  for (const [, value] of (contentType ?? "").matchAll(/;\s*charset\s*=\s*"?([^\s;"]*)/gi)) {
    if (!/^(?:utf-?8|us-ascii|ascii|)$/i.test(value as string)) return false;
  }
  return true;
}
