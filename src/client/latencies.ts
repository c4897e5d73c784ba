/** How long answers of a stitch usually take. */

const SAMPLES = 128;
const MIN_SAMPLES = 20;

/** The last answer times of a stitch. */
export class Latencies {
  readonly #ring: Float64Array = new Float64Array(SAMPLES);
  #count = 0;

  add(ms: number): void {
    this.#ring[this.#count++ % SAMPLES] = ms;
  }

  /** `undefined` before there are enough of them. */
  p95(): number | undefined {
    const size = Math.min(this.#count, SAMPLES);
    if (size < MIN_SAMPLES) return undefined;
    return this.#ring.slice(0, size).sort()[Math.ceil(size * 0.95) - 1];
  }
}
