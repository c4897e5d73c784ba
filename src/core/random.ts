/** Randomness as an argument: the only file that reads the platform's generators. */

export interface Random {
  /** A number in `[0, 1)`, for jitter and sampling; not for secrets. */
  next(): number;
  /** A version 4 UUID (RFC 9562), from a source fit for secrets. */
  uuid(): string;
}

export const systemRandom: Random = Object.freeze({
  next: (): number => Math.random(),
  uuid: (): string => crypto.randomUUID(),
});
