/** A source of uniform numbers in [0, 1). */
export type Random = () => number

/** One well-mixed unsigned 32-bit number from up to four integers; the same ones always give the same. */
export function hash32(a: number, b = 0, c = 0, d = 0): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13) ^ b, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16) ^ c, 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 15) ^ d, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** {@link hash32} of a text (FNV-1a over UTF-16 units, then mixed). */
export function hashText(text: string, seed = 0): number {
  let h = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return hash32(h, text.length)
}

/** `digits` hexadecimal digits that depend on nothing but `text` and `seed`. */
export function hashHex(text: string, seed: number, digits: number): string {
  let hex = ''
  for (let part = 0; hex.length < digits; part++) {
    hex += hash32(hashText(text, seed), part).toString(16).padStart(8, '0')
  }
  return hex.slice(0, digits)
}

/** Uniform numbers from a 32-bit seed (mulberry32): small, fast, good enough to look like a market. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Roughly normal with mean 0 and variance 1: the sum of three uniforms, cheap and without tails. */
export function bell(random: Random): number {
  return (random() + random() + random() - 1.5) * 2
}

/** Smooth noise in about [-1, 1] around the lattice of whole numbers, computable at any x alone. */
export function valueNoise(seed: number, x: number): number {
  const left = Math.floor(x)
  const t = x - left
  const a = hash32(seed, left) / 2147483648 - 1
  const b = hash32(seed, left + 1) / 2147483648 - 1
  return a + (b - a) * t * t * (3 - 2 * t)
}
