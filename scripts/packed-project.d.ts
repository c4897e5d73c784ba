export interface Packed {
  readonly tarball: string;
  readonly unpackedSize: number;
  readonly entryCount: number;
  readonly name: string;
  /** Without the name of the package: `gateway`, `gateway/sdk`. */
  readonly entries: readonly string[];
}
export function packProject(root: string, project: string): Packed;
