/** Templates beyond plain variables: the other operators of RFC 6570, prefixes, lists and records. */

export { parseTemplate } from "url-template";
