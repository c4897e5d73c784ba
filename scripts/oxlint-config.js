/**
 * The lint configuration, made from the layer table below: `npm run check` writes it to `.oxlintrc.json`, where editors
 * find it, and lints with it. Each folder of `src` may import itself and the folders listed; everything else is an error
 * that names the rule.
 */
import { writeFileSync } from "node:fs";

/** Folder -> what it may import beside itself. */
export const layers = {
  core: [],
  state: ["core"],
  drivers: ["core", "state"],
  resilience: ["core", "state"],
  gateway: ["core", "state", "resilience", "drivers/memory"],
  client: ["core", "state", "resilience", "drivers/memory"],
  sockets: ["core", "state", "resilience", "drivers/memory"],
  runtimes: ["core", "state", "gateway", "sockets", "drivers/memory"],
  testing: ["core", "state"],
  cli: ["core", "entries"],
};

const drivers = ["memory", "redis", "postgres", "nats", "cloudflare", "deno"];
const entries = ["gateway", "gateway-sdk", "gateway-config", "client", "sockets", "sockets-client", "sockets-zod", "sockets-valibot", "state", "memory", "redis", "postgres", "cloudflare", "deno", "bun", "node", "nats", "testing"];

/** Third-party and platform modules, and the folders that may use them. */
export const modules = {
  "^node:": ["runtimes", "cli"],
  "^cloudflare:": ["drivers"],
  "^undici$": ["runtimes"],
  "^@hono/node-server": ["runtimes"],
  "^hono(/|$)": ["gateway", "runtimes"],
  "^@noble/": ["core"],
  "^ipaddr\\.js$": ["core"],
  "^jose$": ["gateway"],
  "^ws$": ["runtimes"],
  "^structured-headers$": ["gateway"],
  "^(@cfworker/json-schema|eventsource-parser|oauth4webapi|tough-cookie|url-template)$": ["client"],
  "^zod$": ["sockets"],
  "^valibot$": ["sockets"],
  "^(cac|jiti|chokidar|picocolors)$": ["cli"],
};

const depths = [1, 2, 3, 4, 5];
const up = "^(\\.\\./)+";
const forbid = (regex, message) => ({ regex, message });

/** What files of `folder` may not import, `depth` folders below `src`. */
function rulesOf(folder, depth) {
  const allowed = layers[folder];
  const patterns = [];
  for (const other of Object.keys(layers)) {
    if (other === folder || allowed.includes(other)) continue;
    if (other === "drivers" && allowed.includes("drivers/memory")) {
      patterns.push(forbid(`${up}drivers/([a-ln-z]|m[^e])`, `${folder} may import no driver but drivers/memory`));
    } else patterns.push(forbid(`${up}${other}/`, `${folder} may not import ${other}`));
  }
  if (!allowed.includes("entries")) patterns.push(forbid(`^(\\.\\./){${depth}}(${entries.join("|")})\\.ts$`, `${folder} may not import a public entry`));
  for (const [module, folders] of Object.entries(modules)) {
    if (!folders.includes(folder)) patterns.push(forbid(module, `${folder} may not import this module: only ${folders.join(", ")} may`));
  }
  return patterns;
}

const restricted = (patterns) => ["error", { patterns }];
const clockMessage = "pass a Clock in (core/clock.ts)";

export const config = {
  $schema: "./node_modules/oxlint/configuration_schema.json",
  plugins: ["typescript", "import", "unicorn", "oxc"],
  categories: { correctness: "error", suspicious: "off", perf: "off" },
  ignorePatterns: ["dist", "etc", "coverage"],
  rules: {
    "import/no-cycle": "error",
    "typescript/no-explicit-any": "error",
    "typescript/consistent-type-imports": "error",
    "unicorn/no-thenable": "off",
    "unicorn/no-new-array": "off",
    "unicorn/no-await-in-promise-methods": "error",
    // Control characters are what such patterns look for: what may not come into a field, a key or a terminal.
    "eslint/no-control-regex": "off",
    "eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    "eslint/eqeqeq": "error",
    "eslint/no-var": "error",
    "eslint/prefer-const": "error",
  },
  overrides: [
    // `*` stays in one folder, so a pattern per depth.
    ...Object.keys(layers).flatMap((folder) => depths.map((depth) => ({ files: [`src/${folder}${"/*".repeat(depth)}.ts`], rules: { "eslint/no-restricted-imports": restricted(rulesOf(folder, depth)) } }))),
    ...drivers.flatMap((driver) =>
      depths.slice(1).map((depth) => ({
        files: [`src/drivers/${driver}${"/*".repeat(depth - 1)}.ts`],
        rules: { "eslint/no-restricted-imports": restricted([...rulesOf("drivers", depth), forbid(`${up}(${drivers.filter((other) => other !== driver).join("|")})/`, "a driver may not import another driver")]) },
      })),
    ),
    { files: ["src/*.ts"], rules: { "eslint/no-restricted-imports": restricted([forbid("^[^.]", "an entry only re-exports files of src")]) } },
    {
      files: ["src/{state,drivers,resilience,gateway,client,sockets,testing}/**/*.ts"],
      rules: {
        "eslint/no-restricted-properties": ["error", { object: "Date", property: "now", message: clockMessage }, { object: "Math", property: "random", message: "pass a Random in (core/random.ts)" }, { object: "performance", property: "now", message: clockMessage }],
        "eslint/no-restricted-globals": ["error", ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "performance", "process", "Buffer"].map((name) => ({ name, message: name.includes("Time") || name.includes("Interval") || name === "performance" ? clockMessage : "not on every runtime" }))],
      },
    },
    { files: ["**/*.test.ts", "test/**"], rules: { "eslint/no-restricted-imports": "off", "eslint/no-restricted-properties": "off", "eslint/no-restricted-globals": "off", "typescript/no-explicit-any": "off" } },
  ],
};

/** Writes the configuration into a folder. */
export function writeConfig(folder) {
  writeFileSync(new URL(".oxlintrc.json", folder), `${JSON.stringify(config, null, 2)}\n`);
}
