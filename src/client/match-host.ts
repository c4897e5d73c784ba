/** `api.example.com`, `api.example.com:8443`, `*.example.com`. */
export function matchesHost(allowed: string, host: string, hostname: string): boolean {
  const pattern = allowed.toLowerCase();
  if (pattern.startsWith("*.")) return hostname.endsWith(pattern.slice(1)) && hostname.length > pattern.length - 1;
  return pattern === host || pattern === hostname;
}
