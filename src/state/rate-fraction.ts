/** A rate as a fraction of integers, so that buckets count in whole units. */

export interface RateFraction {
  /** Tokens per `q` ms. */
  readonly p: number;
  readonly q: number;
}

/** How far below the rate the best fraction of the domain may lie: one token in 10^9. */
const MAX_RELATIVE_ERROR = 1_000_000_000n;

/**
 * `value / perMs`, as `p / q` with `p <= maxP` and `q <= maxQ`, or `undefined` when no fraction of the domain is close
 * enough. The first of these that fits:
 *
 * 1. the exact decimal fraction that the number prints as, reduced: 2.5 is 5/2;
 * 2. the first convergent of its continued fraction that is the same double: what was written as 1/3 is 1/3, not
 *    0.3333333333333333;
 * 3. the best fraction not above it (Stern 1858, Brocot 1861), when it is less than 10^-9 of it too low.
 */
export function rateFraction(value: number, perMs: number, maxP: number, maxQ: number): RateFraction | undefined {
  const scale = BigInt(perMs);
  const [n, d] = decimal(value);
  const [sn, sd] = simplest(value, n, d);
  return choose([n, d * scale], [sn, sd * scale], maxP, maxQ);
}

/** The same for a spacing, the reciprocal of a rate: one token per `spacingMs`. */
export function spacingFraction(spacingMs: number, maxP: number, maxQ: number): RateFraction | undefined {
  const [n, d] = decimal(spacingMs);
  const [sn, sd] = simplest(spacingMs, n, d);
  return choose([d, n], [sd, sn], maxP, maxQ);
}

type Fraction = readonly [numerator: bigint, denominator: bigint];

function choose(exact: Fraction, meant: Fraction, maxP: number, maxQ: number): RateFraction | undefined {
  const bounds: Fraction = [BigInt(Math.floor(maxP)), BigInt(Math.floor(maxQ))];
  return within(exact, bounds) ?? within(meant, bounds) ?? below(exact, bounds);
}

function within([p, q]: Fraction, [maxP, maxQ]: Fraction): RateFraction | undefined {
  const common = gcd(p, q);
  return p / common <= maxP && q / common <= maxQ ? { p: Number(p / common), q: Number(q / common) } : undefined;
}

/** The exact fraction of the shortest decimal that reads back as `value`. */
function decimal(value: number): Fraction {
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const power = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  return power >= 0 ? [digits * 10n ** BigInt(power), 1n] : [digits, 10n ** BigInt(-power)];
}

/** The first convergent of the continued fraction of `n / d` that is the same double. */
function simplest(value: number, n: bigint, d: bigint): Fraction {
  let [a, b] = [n, d];
  let [h, k, h1, k1] = [1n, 0n, 0n, 1n];
  while (b !== 0n) {
    const whole = a / b;
    [a, b] = [b, a % b];
    [h, h1] = [whole * h + h1, h];
    [k, k1] = [whole * k + k1, k];
    if (h <= SAFE && k <= SAFE && Number(h) / Number(k) === value) return [h, k];
  }
  return [n, d];
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The largest fraction at most `n / d` within the bounds, walked down the Stern-Brocot tree in whole runs. */
function below([n, d]: Fraction, [maxP, maxQ]: Fraction): RateFraction | undefined {
  // lo <= n/d < hi throughout.
  let [lp, lq, hp, hq] = [0n, 1n, 1n, 0n];
  for (;;) {
    // Largest k with (lo + k*hi) <= n/d, inside the bounds.
    const run = least((n * lq - lp * d) / (hp * d - n * hq), room(lp, hp, maxP), room(lq, hq, maxQ));
    lp += run * hp;
    lq += run * hq;
    // Largest k with (hi + k*lo) > n/d: such a high fraction brings lo's successors nearer.
    const gap = lq * n - lp * d;
    if (gap === 0n) break;
    const back = least((hp * d - hq * n - 1n) / gap, room(hp, lp, maxP), room(hq, lq, maxQ));
    hp += back * lp;
    hq += back * lq;
    if (run === 0n && back === 0n) break;
  }
  const error = n * lq - lp * d;
  return lp > 0n && error * MAX_RELATIVE_ERROR <= n * lq ? { p: Number(lp), q: Number(lq) } : undefined;
}

/** How many times `step` can be added to `from` without passing `max`. */
function room(from: bigint, step: bigint, max: bigint): bigint | undefined {
  return step === 0n ? undefined : from > max ? 0n : (max - from) / step;
}

function least(...values: readonly (bigint | undefined)[]): bigint {
  let result: bigint | undefined;
  for (const value of values) if (value !== undefined && (result === undefined || value < result)) result = value;
  return result ?? 0n;
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
