/** Options over defaults. */

/** `undefined` means "the default"; `null` and `false` are values. Neither argument is changed. */
export function resolveConfig<Config extends object>(defaults: Partial<Config> | undefined, user?: Partial<Config> | null): Config {
  const resolved: Record<string, unknown> = { ...defaults };
  if (user !== undefined && user !== null) {
    for (const [name, value] of Object.entries(user)) {
      // `__proto__` as an own key (parsed JSON) would set the prototype, not an option.
      if (value !== undefined && name !== "__proto__") resolved[name] = value;
    }
  }
  return resolved as Config;
}
