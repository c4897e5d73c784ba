/** Checks what documents point at: relative links and their headings exist, and README.md names every public entry. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

export function checkLinks(root) {
  const docs = readdirSync(join(root, "docs"), { recursive: true }).map(String).filter((file) => file.endsWith(".md")).map((file) => join("docs", file));
  const problems = [];
  let links = 0;
  for (const file of ["README.md", "AGENTS.md", "CHANGELOG.md", ...docs]) {
    const text = withoutCode(readFileSync(join(root, file), "utf8"));
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [path, heading] = target.split("#");
      const at = path === "" ? file : join(dirname(file), path);
      if (!existsSync(join(root, at))) problems.push(`${file}: the link ${target} leads nowhere`);
      else if (heading !== undefined && !headings(join(root, at)).includes(heading)) problems.push(`${file}: ${at} has no heading #${heading}`);
    }
  }
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const { exports: entries } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const entry of Object.keys(entries)) {
    if (entry !== "./package.json" && !readme.includes(`| \`sluice${entry.slice(1)}\` |`)) problems.push(`README.md: the table of entries lacks sluice${entry.slice(1)}`);
  }
  for (const [, entry] of readme.matchAll(/^\| `sluice(\/[^`]+)` \|/gm)) {
    if (entries[`.${entry}`] === undefined) problems.push(`README.md: package.json has no entry .${entry}`);
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return `${links} links`;
}

function withoutCode(text) {
  return text.replace(/^```[\s\S]*?^```/gm, "");
}

/** The anchors of a page as GitHub makes them. */
function headings(path) {
  return [...withoutCode(readFileSync(path, "utf8")).matchAll(/^#+ (.+)$/gm)].map((match) => match[1].toLowerCase().replace(/[^\p{L}\p{N}\- _]/gu, "").replace(/ /g, "-"));
}
