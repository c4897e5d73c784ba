/**
 * Writes the option tables of docs/policies.md and docs/policies/ from the interfaces and docstrings of the policies, and checks them.
 *
 * A policy is what `src/gateway.ts` exports from `gateway/policies/` with its `…Config`. It has a page named like its file, with a
 * pair of markers between which the table stands, and at least one example that is run. A `@default` that the policy's own
 * sources contradict is an error, too.
 */
import { readFileSync, readdirSync, existsSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const COMMON = "docs/policies.md";
const PAGES = "docs/policies";

/** Throws what is wrong; with `write` the tables are brought up to date first. Gives a note. */
export function checkPolicyDocs(root, write = false) {
  const policies = exportedPolicies(root);
  const problems = [];
  const upToDate = (page, name, lines) => {
    const before = readFileSync(join(root, page), "utf8");
    const text = replaced(before, page, name, lines, problems);
    if (text === before) return;
    if (write) writeFileSync(join(root, page), text);
    else problems.push(`${page} differs from the docstrings: run \`npm run check -- --write\``);
  };
  upToDate(COMMON, "common", table(root, propertiesOf(root, "src/gateway/types.ts", "PolicyOptions")));
  for (const policy of policies) {
    const options = propertiesOf(root, policy.file, policy.config);
    for (const option of options) if (option.text === "") problems.push(`${policy.file}: ${policy.name}'s ${option.name} has no docstring`);
    problems.push(...wrongDefaults(root, policy, options));
    const page = join(PAGES, policy.page);
    if (!existsSync(join(root, page))) {
      problems.push(`the page ${page} of ${policy.name} is missing`);
      continue;
    }
    const text = readFileSync(join(root, page), "utf8");
    if (!text.startsWith(`# \`${policy.name}\`\n`)) problems.push(`${page} does not begin with "# \`${policy.name}\`"`);
    if (!text.includes("```ts run")) problems.push(`${page} has no example that is run`);
    upToDate(page, policy.name, `${facts(root, policy)}\n\n${table(root, options)}`);
  }
  for (const page of readdirSync(join(root, PAGES))) if (!policies.some((policy) => policy.page === page)) problems.push(`${PAGES}/${page} is the page of no policy`);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return `${policies.length} policies`;
}

/** What the entry exports: `export { retry, type RetryConfig } from "./gateway/policies/…"`. */
function exportedPolicies(root) {
  const entry = readFileSync(join(root, "src/gateway.ts"), "utf8");
  return [...entry.matchAll(/^export \{ (\w+), type (\w+Config)\b[^}]*\} from "\.\/(gateway\/policies\/[^"]+)";$/gm)]
    .map(([, name, config, file]) => ({ name, config, file: `src/${file}`, page: `${basename(file, ".ts")}.md` }));
}

/** The text with the table between the markers of that name. */
function replaced(text, page, name, table, problems) {
  const begin = `<!-- options ${name}: generated from the docstrings -->`;
  const end = "<!-- /options -->";
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from === -1 || to === -1) {
    problems.push(`${page} lacks the markers ${begin} and ${end}`);
    return text;
  }
  return `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`;
}

/** Identity and place of a policy, from its definition. */
function facts(root, { file }) {
  const source = readFileSync(join(root, file), "utf8");
  const identity = /@__PURE__ \*\/ definePolicy[\s\S]*?\bname: "([^"]+)"/.exec(source)?.[1];
  const literal = /@__PURE__ \*\/ definePolicy[\s\S]*?\bpriority: (?:Priority\.\w+|(\d+))/.exec(source)?.[1];
  if (identity !== undefined && literal !== undefined) return `Identity \`${identity}\`, priority ${literal}.`;
  const priority = /@__PURE__ \*\/ definePolicy[\s\S]*?\bpriority: Priority\.(\w+)/.exec(source)?.[1];
  const order = new RegExp(`\\b${priority}: (\\d+);`).exec(readFileSync(join(root, "src/gateway/priority.ts"), "utf8"))?.[1];
  if (identity === undefined || order === undefined) throw new Error(`${file}: no name or priority found`);
  return `Identity \`${identity}\`, priority ${order} (\`Priority.${priority}\`).`;
}

function table(root, options) {
  const rows = options.map((option) => [
    `\`${option.name}\``,
    code(option.type),
    option.required ? "required" : defaultText(option.default),
    unitOf(option),
    option.text.replace(/\|/g, "\\|"),
  ]);
  return [["option", "type", "default", "unit", "meaning"], ["---", "---", "---", "---", "---"], ...rows].map((row) => `| ${row.join(" | ")} |`.replace(/ {2,}/g, " ")).join("\n");
}

function code(text) {
  return `\`${text.replace(/\|/g, "\\|")}\``;
}

/** A literal is code, a sentence is not. */
function defaultText(text) {
  if (text === undefined) return "none";
  return /^(?:"[^"]*"|\[.*\]|\d+(?:\.\d+)?|true|false|max|[a-z]+[A-Z]\w*)$/.test(text) ? code(text) : text.replace(/\|/g, "\\|");
}

function unitOf({ name, text }) {
  const last = name.split(".").at(-1);
  if (last.endsWith("Ms")) return "ms";
  if (last.endsWith("Bytes") || /\bin bytes\b/.test(text)) return "bytes";
  if (last.endsWith("Seconds") || /\bin seconds\b/.test(text)) return "s";
  return "";
}

// ------------------------------------------------------------------------------------------------- reading the sources

/** The properties of an interface or object type, own ones only; those of element types follow as `name[].inner`. */
function propertiesOf(root, file, type) {
  const { body, rest } = declarationOf(root, file, type);
  const own = members(body);
  // A type made of parts, `Common & ( | {…} | {…} )`: the first member of its union has all of the options.
  for (const part of rest) {
    for (const option of propertiesOf(root, file, part)) if (!own.some(({ name }) => name === option.name)) own.push(option);
  }
  return own.flatMap((option) => {
    const element = /^(?:readonly )?(\w+)\[\]$/.exec(option.type)?.[1];
    const where = element === undefined ? undefined : findDeclaration(root, file, element);
    const shown = { ...option, type: expanded(root, file, option.type.replace(/\breadonly /g, "")) };
    if (where === undefined || option.name.includes(".")) return [shown];
    return [shown, ...propertiesOf(root, where, element).map((inner) => ({ ...inner, name: `${option.name}[].${inner.name}` }))];
  });
}

/** The body of `interface type`, or the parts of `type type = …`, wherever the file has it from. */
function declarationOf(root, file, type) {
  const at = findDeclaration(root, file, type);
  if (at === undefined) throw new Error(`${file}: no declaration of ${type} found`);
  const source = readFileSync(join(root, at), "utf8");
  const asInterface = new RegExp(`^(?:export )?interface ${type}\\b[^{]*\\{`, "m").exec(source);
  if (asInterface !== null) return { body: block(source, asInterface.index + asInterface[0].length - 1), rest: [] };
  const alias = new RegExp(`^export type ${type} =`, "m").exec(source);
  const open = source.indexOf("{", alias.index);
  const common = /=\s*(\w+) &/.exec(source.slice(alias.index, open))?.[1];
  return { body: block(source, open), rest: common === undefined ? [] : [common] };
}

/** The file that declares `type`: this one, one of its folder, or one it imports the type from. */
function findDeclaration(root, file, type) {
  const declares = (candidate) => existsSync(join(root, candidate)) && new RegExp(`^(?:export )?(?:interface ${type}\\b|type ${type} =\\s*(?:\\w+ &|\\{))`, "m").test(readFileSync(join(root, candidate), "utf8"));
  if (declares(file)) return file;
  const source = readFileSync(join(root, file), "utf8");
  const from = new RegExp(`import [^;]*\\b${type}\\b[^;]*from "([^"]+)"`).exec(source)?.[1];
  if (from === undefined) return undefined;
  const target = join(dirname(file), from);
  return declares(target) ? target : undefined;
}

/** The text between the brace at `open` and its partner. */
function block(source, open) {
  for (let i = open, depth = 0; i < source.length; i++) {
    if (source[i] === "{") depth++;
    else if (source[i] === "}" && --depth === 0) return source.slice(open + 1, i);
  }
  throw new Error("an unclosed brace");
}

/** Properties at the top of a body, each with the docstring before it. */
function members(body) {
  const found = [];
  const pattern = /(?:\/\*\*([\s\S]*?)\*\/\s*)?readonly (\w+)(\?)?: /y;
  for (let at = 0; at < body.length; ) {
    pattern.lastIndex = at;
    const match = pattern.exec(body);
    if (match === null) {
      at++;
      continue;
    }
    const end = endOfType(body, pattern.lastIndex);
    const { text, fallback } = docstring(match[1] ?? "");
    found.push({ name: match[2], type: body.slice(pattern.lastIndex, end).replace(/\s+/g, " ").trim(), required: match[3] === undefined, text, default: fallback });
    at = end + 1;
  }
  return found;
}

function endOfType(body, from) {
  for (let i = from, depth = 0; i < body.length; i++) {
    if ("({[".includes(body[i])) depth++;
    else if (")}]".includes(body[i])) depth--;
    else if (body[i] === ";" && depth === 0) return i;
  }
  return body.length;
}

function docstring(raw) {
  const plain = raw.split("\n").map((line) => line.replace(/^\s*\* ?/, "").trim()).join(" ").trim();
  const [text, ...tags] = plain.split(/\s*@default\s+/);
  return { text: text.trim(), fallback: tags.length === 0 ? undefined : tags.join(" ").trim() };
}

/** Names of short unions as the unions. */
function expanded(root, file, type) {
  return type.replace(/\b[A-Z]\w+\b/g, (name) => {
    const text = aliases(root).get(name);
    return text === undefined ? name : type === name ? text : `(${text})`;
  });
}

let known;
function aliases(root) {
  if (known !== undefined) return known;
  known = new Map();
  for (const folder of ["src/gateway", "src/resilience"]) {
    for (const file of readdirSync(join(root, folder), { recursive: true }).map(String)) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      for (const [, name, text] of readFileSync(join(root, folder, file), "utf8").matchAll(/^export type (\w+) = ("[^;\n]*);$/gm)) known.set(name, text);
    }
  }
  return known;
}

// ------------------------------------------------------------------------------------------------------------ defaults

/** Documented defaults that no `config.name ?? value` and no entry of a table of defaults in the policy's sources agrees with. */
function wrongDefaults(root, { name, file }, options) {
  const folder = join(root, file.replace(/\.ts$/, ""));
  const files = [join(root, file), ...(existsSync(folder) ? readdirSync(folder).filter((part) => part.endsWith(".ts") && !part.endsWith(".test.ts")).map((part) => join(folder, part)) : [])];
  const source = files.map((path) => readFileSync(path, "utf8")).join("\n");
  const plain = (text) => text.replace(/(\d)_(?=\d)/g, "$1").replace(/Object\.freeze\((.*)\)/, "$1").replace(/\s/g, "");
  const wrong = [];
  for (const option of options) {
    if (option.default === undefined || !/^(?:"[^"]*"|\[[^\]]*\]|[\d.]+|true|false)$/.test(option.default)) continue;
    const literal = '("[^"]*"|Object\\.freeze\\(\\[[^\\]]*\\]\\)|\\[[^\\]]*\\]|[\\d._]+|true|false)';
    const found = [...source.matchAll(new RegExp(`\\b(?:config|options)\\.${option.name} \\?\\? ${literal}`, "g")), ...source.matchAll(new RegExp(`^  ${option.name}: ${literal},$`, "gm"))].map((match) => plain(match[1]));
    if (found.length > 0 && !found.includes(plain(option.default))) wrong.push(`${file}: ${name}'s ${option.name} says @default ${option.default}, the code has ${found.join(", ")}`);
  }
  return wrong;
}
