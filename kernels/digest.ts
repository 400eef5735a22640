// Two MurmurHash3 mixes per row (32 bit, public domain, A. Appleby), column by column; see src/lake/digest.ts.

const LAST_MIX_A: i32 = 0x85ebca6b
const LAST_MIX_B: i32 = 0xc2b2ae35
const SEED_A: i32 = 0x9e3779b9
const SEED_B: i32 = 0x85ebca6b

function step(hash: v128, word: v128): v128 {
  let k = i32x4.mul(word, i32x4.splat(0xcc9e2d51))
  k = v128.or(i32x4.shl(k, 15), i32x4.shr_u(k, 17))
  let mixed = v128.xor(hash, i32x4.mul(k, i32x4.splat(0x1b873593)))
  mixed = v128.or(i32x4.shl(mixed, 13), i32x4.shr_u(mixed, 19))
  return i32x4.add(i32x4.mul(mixed, i32x4.splat(5)), i32x4.splat(0xe6546b64))
}

/** Sets the mixes of `rows` rows, four at a time, to where they start. */
export function digestStart(a: usize, b: usize, rows: i32): void {
  for (let at: usize = 0; at < (<usize>rows) << 2; at += 16) {
    v128.store(a + at, i32x4.splat(SEED_A))
    v128.store(b + at, i32x4.splat(SEED_B))
  }
}

function mixPair(first: v128, second: v128, a: usize, b: usize): void {
  const low = v128.shuffle<i32>(first, second, 0, 2, 4, 6)
  const high = v128.shuffle<i32>(first, second, 1, 3, 5, 7)
  v128.store(a, step(step(v128.load(a), low), high))
  v128.store(b, step(step(v128.load(b), high), low))
}

/** One bit pattern for every NaN and for both zeros. */
function canonical(value: v128): v128 {
  const nonzero = v128.and(value, f64x2.ne(value, f64x2.splat(0)))
  return v128.bitselect(nonzero, i64x2.splat(0x7ff8000000000000), f64x2.eq(value, value))
}

/** Mixes `rows` doubles at `values` into the mixes at `a` and `b`. Memory behind all three is read and written, up to 32 bytes. */
export function digestDoubles(values: usize, rows: i32, a: usize, b: usize): void {
  for (let row = 0; row < rows; row += 4) {
    mixPair(canonical(v128.load(values)), canonical(v128.load(values, 16)), a, b)
    values += 32
    a += 16
    b += 16
  }
}

/** The same of 64-bit integers, bit by bit. */
export function digestWhole(values: usize, rows: i32, a: usize, b: usize): void {
  for (let row = 0; row < rows; row += 4) {
    mixPair(v128.load(values), v128.load(values, 16), a, b)
    values += 32
    a += 16
    b += 16
  }
}

/** The same of 32-bit words: the second mix takes them xor `twist`. */
export function digestWords(words: usize, twist: i32, rows: i32, a: usize, b: usize): void {
  for (let row = 0; row < rows; row += 4) {
    const word = v128.load(words)
    v128.store(a, step(v128.load(a), word))
    v128.store(b, step(v128.load(b), v128.xor(word, i32x4.splat(twist))))
    words += 16
    a += 16
    b += 16
  }
}

/** The sum of the `rows` mixes at `mixes` after their last mix, modulo 2^32. */
export function digestSum(mixes: usize, rows: i32): i32 {
  let sum = 0
  for (let row = 0; row < rows; row++) {
    let hash = load<i32>(mixes + ((<usize>row) << 2))
    hash ^= hash >>> 16
    hash *= LAST_MIX_A
    hash ^= hash >>> 13
    hash *= LAST_MIX_B
    sum += hash ^ (hash >>> 16)
  }
  return sum
}
