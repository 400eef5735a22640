// The distinct values of a column of 64-bit values, by their bits, in order of first appearance.

/** A dictionary pays when every distinct value comes so often. */
const LEAST_REPEATS = 4
const LEAST_SAMPLE = 256
/** Of a sample that promises one; of a whole column that repeats every value three times far fewer are distinct. */
const MOST_DISTINCT = 0.6

/**
 * Fills `indexes` (32 bits per value) with the number of each value in `firsts`, which takes the places of the distinct ones.
 * A sample of the column mostly tells that it does not pay.
 *
 * @param slots memory for 4 × 2^n bytes, 2^n being at least half of `count` and 2
 * @returns distinct values; 0: a dictionary does not pay
 */
export function findDistinct(values: usize, count: i32, indexes: usize, firsts: usize, slots: usize): i32 {
  const stride = <i32>Math.floor(<f64>count / Math.max(LEAST_SAMPLE, <f64>count / 16))
  if (stride > 1) {
    const sampled = count / stride
    const limit = <i32>Math.floor(MOST_DISTINCT * <f64>sampled)
    if (distinct(values, sampled, stride, limit, indexes, firsts, slots) === 0) return 0
  }
  return distinct(values, count, 1, count / LEAST_REPEATS, indexes, firsts, slots)
}

/** Of every `stride`th value, `count` in all; 0 when more than `limit` are distinct. */
function distinct(
  values: usize,
  count: i32,
  stride: i32,
  limit: i32,
  indexes: usize,
  firsts: usize,
  slots: usize,
): i32 {
  const size: u32 = 1 << (32 - clz(2 * limit + 1))
  memory.fill(slots, 0xff, (<usize>size) << 2)
  let found = 0
  for (let i = 0; i < count; i++) {
    const place = stride * i
    const value = load<u64>(values + ((<usize>place) << 3))
    let slot = slotOf(value) & (size - 1)
    let known = load<i32>(slots + ((<usize>slot) << 2))
    while (known >= 0 && valueOf(values, firsts, known) !== value) {
      slot = (slot + 1) & (size - 1)
      known = load<i32>(slots + ((<usize>slot) << 2))
    }
    if (known < 0) {
      if (found >= limit) return 0
      known = found++
      store<i32>(slots + ((<usize>slot) << 2), known)
      store<i32>(firsts + ((<usize>known) << 2), place)
    }
    store<i32>(indexes + ((<usize>i) << 2), known)
  }
  return found
}

function valueOf(values: usize, firsts: usize, known: i32): u64 {
  return load<u64>(values + ((<usize>load<i32>(firsts + ((<usize>known) << 2))) << 3))
}

function slotOf(value: u64): u32 {
  const mixed = value * 0x9e3779b97f4a7c15
  return <u32>(mixed >> 40)
}
