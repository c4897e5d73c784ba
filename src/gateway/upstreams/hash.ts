/** Spreads texts evenly: for sticky shares and consistent hashing, not for secrets. */

/** A number in [0, 1) that depends on every character of `text`: FNV-1a in two lanes, each mixed by murmur3's finaliser. */
export function unitHash(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
  }
  // 26 and 27 bits: what a double holds exactly.
  return ((mix(a) >>> 6) * 0x8000000 + (mix(b ^ text.length) >>> 5)) / 0x20000000000000;
}

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
