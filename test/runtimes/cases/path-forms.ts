/** Spellings of a path between an open and a guarded route, and what an upstream that reads leniently makes of what it gets. */

/** What follows `/paths/open/`. */
export const PATH_FORMS: readonly string[] = [
  "x", "x/", "a/./x", "a/../x", "a//x", "//x", "..", "../", "../admin/x", "../admin", "./../admin/x", "a/../../admin/x", "..//admin/x", "../../paths/admin/x", "../../../../paths/admin/x",
  "%2e%2e/admin/x", "%2E%2E/admin/x", ".%2e/admin/x", "%2e./admin/x", "%2e/%2e%2e/admin/x", "a/%2e%2e/%2e%2e/admin/x",
  "..%2fadmin/x", "..%2Fadmin%2fx", "%2e%2e%2fadmin/x", "%2e%2e%2f%61dmin/x", "a%2f..%2f..%2fadmin/x", "a/..%2f..%2fadmin/x", "%2fadmin/x", "a%2fx", "%2e%2fx",
  "..\\admin/x", "..\\..\\paths\\admin\\x", "a\\..\\..\\admin/x", "..%5cadmin/x", "..%5Cadmin%5cx", "%2e%2e%5cadmin/x", "a%5cx", "\\x",
  "..;/admin/x", "..;a=1/admin/x", "%2e%2e;/admin/x", "a;/x", "a;v=1/x", ".;/x", ";/../admin/x", "..%3b/admin/x",
  "%c0%ae%c0%ae/admin/x", "..%c0%afadmin/x", "%e0%80%ae%e0%80%ae/admin/x", "%c0%ae./admin/x", "..%c1%9cadmin/x", "%f0%80%80%ae%f0%80%80%ae/admin/x", "%uff0e%uff0e/admin/x", "%ef%bc%8e%ef%bc%8e/admin/x", "\u00ff\u00fe/x",
  "%252e%252e/admin/x", "..%252fadmin/x", "%25", "%", "%2", "%zz/x", "%00", "x%00/../../admin/x", "..%00/admin/x", "\x01/x", "\x7f", "x%0d%0aX: y", "%09../admin/x", "..%09/admin/x", "..%20/admin/x", "...", ".../admin/x", "..a/x", "a../x", "x#/../../admin/x", "x?/../../admin/x", "~", "%7e", "%41%42", "%61%2f%62", "é".normalize("NFD"), "a%20b", "[x]", "|", "\"<>^`{}",
];

/** The path as the most lenient of upstreams resolves it: decoded once, overlong UTF-8 too, back-slashes as slashes, parameters of segments dropped. */
export function lenientPath(path: string): string {
  const overlong = path.replace(/%c0%ae|%e0%80%ae|%f0%80%80%ae|%uff0e/gi, ".").replace(/%c0%af|%e0%80%af|%f0%80%80%af/gi, "/").replace(/%c1%9c/gi, "\\");
  const decoded = overlong.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const kept: string[] = [];
  for (const segment of decoded.replaceAll("\\", "/").replaceAll("\0", "").split("/")) {
    const name = segment.split(";")[0] as string;
    if (name === "..") kept.pop();
    else if (name !== "." && name !== "") kept.push(name);
  }
  return `/${kept.join("/")}`;
}
