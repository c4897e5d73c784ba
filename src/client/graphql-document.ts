/** What a GraphQL document says of its operation. */

const OPERATION = /(?:^|[\s}])(query|mutation|subscription)\s+([_A-Za-z][_0-9A-Za-z]*)/;

/** True for a document whose operation changes something. */
export function isMutation(document: string): boolean {
  return /(?:^|[\s}])mutation\b/.test(stripped(document));
}

/** The name of the first named operation. */
export function operationIn(document: string): string | undefined {
  return OPERATION.exec(stripped(document))?.[2];
}

/** Without comments and strings, in which anything may stand. */
function stripped(document: string): string {
  return document.replace(/"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*/g, " ");
}

