export function build(): Promise<"built" | "current">;
