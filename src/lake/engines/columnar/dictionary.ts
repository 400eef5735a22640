/** The distinct values of a column, in order of first appearance, and which of them each value is. */
export interface Dictionary {
  /** Positions in the column at which the distinct values first stand. */
  readonly firsts: Uint32Array
  /** Per value the number of its distinct value. Valid until the next dictionary is built. */
  readonly indexes: Uint32Array
}

/** A dictionary pays when every distinct value comes so often. */
const LEAST_REPEATS = 4
const LEAST_SAMPLE = 256
/** Of a sample that promises one; of a whole column that repeats every value three times far fewer are distinct. */
const MOST_DISTINCT = 0.6

let table = new Int32Array(1024)
let scratch = new Uint32Array(1024)

/** Memory for the indexes of `count` values, used again each time. */
export function indexScratch(count: number): Uint32Array {
  if (scratch.length < count) scratch = new Uint32Array(2 ** Math.ceil(Math.log2(count)))
  return scratch.subarray(0, count)
}

/**
 * The dictionary of a column of 64-bit values by their bits, or undefined where it does not pay. A sample of the
 * column tells so mostly.
 */
export function buildDictionary(values: Float64Array | BigInt64Array): Dictionary | undefined {
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length)
  const stride = Math.floor(values.length / Math.max(LEAST_SAMPLE, values.length / 16))
  if (stride > 1) {
    const sampled = Math.floor(values.length / stride)
    if (!distinct(words, sampled, stride, Math.floor(MOST_DISTINCT * sampled))) return undefined
  }
  return distinct(words, values.length, 1, Math.floor(values.length / LEAST_REPEATS))
}

/** Of every `stride`th value, `count` in all; undefined when more than `limit` are distinct. */
function distinct(words: Uint32Array, count: number, stride: number, limit: number): Dictionary | undefined {
  const size = 2 ** Math.ceil(Math.log2(2 * limit + 2))
  if (table.length < size) table = new Int32Array(size)
  const slots = table.subarray(0, size).fill(-1)
  const firsts = new Uint32Array(limit + 1)
  const indexes = indexScratch(count)
  let found = 0
  for (let i = 0; i < count; i++) {
    const at = 2 * stride * i
    const low = words[at]!
    const high = words[at + 1]!
    let slot = slotOf(low, high) & (size - 1)
    let known = slots[slot]!
    while (known >= 0 && (words[2 * firsts[known]!] !== low || words[2 * firsts[known]! + 1] !== high)) {
      slot = (slot + 1) & (size - 1)
      known = slots[slot]!
    }
    if (known < 0) {
      if (found >= limit) return undefined
      known = slots[slot] = found
      firsts[found++] = stride * i
    }
    indexes[i] = known
  }
  return { firsts: firsts.subarray(0, found), indexes }
}

function slotOf(low: number, high: number): number {
  const mixed = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}
