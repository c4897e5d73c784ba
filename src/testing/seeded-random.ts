/** Randomness that can be repeated: the same seed gives the same numbers and the same ids. */

import { checkInteger } from "../core/check.ts";
import type { Random } from "../core/random.ts";

export interface SeededRandom extends Random {
  /** Print it when a test fails: it is all that is needed to repeat the run. */
  readonly seed: number;
  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number;
}

/**
 * A {@link Random} from a 32-bit seed, for tests only: its UUIDs are well-formed and predictable.
 *
 * Source: xoshiro128** 1.1 (D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47(4),
 * 2021), its state filled by the 32-bit finaliser of MurmurHash3 over a Weyl sequence, as its authors advise.
 */
export function seededRandom(seed: number): SeededRandom {
  checkInteger("seed", seed, 0, 0xffff_ffff);
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i++) state[i] = mix(seed + Math.imul(i + 1, 0x9e37_79b9));

  const bits = (): number => {
    const [a, b, c, d] = state as unknown as [number, number, number, number];
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const mixed = c ^ a;
    const carried = d ^ b;
    state[1] = b ^ mixed;
    state[0] = a ^ carried;
    state[2] = mixed ^ (b << 9);
    state[3] = rotate(carried, 11);
    return result;
  };
  // 53 bits, so that every double of that precision in [0, 1) can come up.
  const next = (): number => ((bits() >>> 5) * 67_108_864 + (bits() >>> 6)) / 9_007_199_254_740_992;

  return {
    seed,
    next,
    integer: (min, max) => min + Math.floor(next() * (max - min + 1)),
    uuid: () => {
      let hex = "";
      for (let i = 0; i < 4; i++) hex += bits().toString(16).padStart(8, "0");
      const variant = (8 + (bits() & 3)).toString(16);
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
  };
}

function rotate(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
