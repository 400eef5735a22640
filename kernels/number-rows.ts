// Rows of numbers that all have the same fields in the same order; see src/sources/polygon/wire/number-rows.ts.

/** Most fields of a row. */
const MAX_FIELDS = 32
/**
 * Per field 48 bytes: the first 8 bytes of its name with quotes and colon, which of their bits count, the length of the name,
 * where its values go, what its numbers are multiplied by, and their greatest size.
 */
const FIELD_BYTES = 48
const fields: usize = memory.data(MAX_FIELDS * FIELD_BYTES, 16)

/** 10^0 to 10^22, all of them exact doubles. */
const powers: usize = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
  1e20, 1e21, 1e22,
])
const wholePowers: usize = memory.data<u64>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000])

const MAX_DIGITS = 18
const MAX_SCALE = 22
const MAX_SAFE: u64 = 9007199254740991

let position: usize = 0

/** Where the caller describes the fields. */
export function rowFields(): usize {
  return fields
}

/** The opening brace of the row in front of which {@link readRows} stopped. */
export function rowsPosition(): usize {
  return position
}

/** How many of the 8 bytes of `word`, the first in its lowest bits, are digits from the first on. */
function digitsIn(word: u64): i32 {
  const digits = word ^ 0x3030303030303030 // 0 to 9 for digits, more for every other byte
  const marks = ((digits + 0x7676767676767676) | digits) & 0x8080808080808080
  return marks === 0 ? 8 : <i32>(ctz(marks) >> 3)
}

/** The number that the first `count` bytes of `word`, digits, make. */
function valueOf(word: u64, count: i32): u64 {
  let digits = (word << (64 - ((<u64>count) << 3))) & 0x0f0f0f0f0f0f0f0f
  digits = (digits * 2561) >> 8
  digits = ((digits & 0x00ff00ff00ff00ff) * 6553601) >> 16
  return ((digits & 0x0000ffff0000ffff) * 42949672960001) >> 32
}

/**
 * Reads rows from the brace at `from` on for as long as they are alike, below `to` as a whole, and followed by another one;
 * at most `most`. Bytes behind `to` must be zeros, 16 of them. `starts`, unless 0, takes the place of each less `base`.
 *
 * @returns rows read; {@link rowsPosition} tells where the next begins
 */
export function readRows(from: usize, count: i32, most: i32, starts: usize, base: i32): i32 {
  let row = 0
  let pos = from
  const end = fields + <usize>(count * FIELD_BYTES)
  for (; row < most; row++) {
    let at = pos
    if (load<u8>(at) !== 0x7b) break
    at++
    let field = fields
    for (; field < end; field += FIELD_BYTES) {
      if ((load<u64>(at) & load<u64>(field, 8)) !== load<u64>(field)) break
      at += load<u32>(field, 16)
      const negative = load<u8>(at) === 0x2d
      if (negative) at++
      // whole part
      let word = load<u64>(at)
      let length = digitsIn(word)
      if (length === 0) break
      if ((word & 0xff) === 0x30 && length > 1) break // as JSON has it, a zero stands alone
      let digits = valueOf(word, length)
      let total = length
      at += length
      while (length === 8) {
        word = load<u64>(at)
        length = digitsIn(word)
        if (length === 0) break
        total += length
        if (total > MAX_DIGITS) break
        digits = digits * load<u64>(wholePowers + ((<usize>length) << 3)) + valueOf(word, length)
        at += length
      }
      if (total > MAX_DIGITS) break
      let size = <f64>digits
      if (load<u8>(at) === 0x2e) {
        at++
        let scale = 0
        do {
          word = load<u64>(at)
          length = digitsIn(word)
          if (length === 0) break
          total += length
          if (total > MAX_DIGITS) break
          digits = digits * load<u64>(wholePowers + ((<usize>length) << 3)) + valueOf(word, length)
          scale += length
          at += length
        } while (length === 8)
        if (total > MAX_DIGITS || scale === 0 || scale > MAX_SCALE) break
        size = <f64>digits / load<f64>(powers + ((<usize>scale) << 3))
      }
      if (digits >= MAX_SAFE || size > load<f64>(field, 40)) break
      if (load<u8>(at) !== (field + FIELD_BYTES === end ? 0x7d : 0x2c)) break
      at++
      store<f64>(
        <usize>load<u32>(field, 20) + ((<usize>row) << 3),
        (negative ? -size : size) * load<f64>(field, 32),
      )
    }
    // A row that is followed by another one; the last is left to the caller.
    if (field < end || load<u16>(at) !== 0x7b2c) break
    if (starts) store<u32>(starts + ((<usize>row) << 2), <u32>pos - <u32>base)
    pos = at + 1
  }
  position = pos
  return row
}
