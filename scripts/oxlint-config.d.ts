export function writeConfig(folder: URL): void;
