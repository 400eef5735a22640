// Parquet's hybrid of run lengths and packed bits, for levels and for indexes into a dictionary.
import { endOfBytes, openAt, putByte, putVarint, skipTo } from './bytes'

/** So many equal values in a row are worth a run of their own. */
const LEAST_RUN = 16

/** Bits that `greatest` takes. */
export function widthOf(greatest: u64): i32 {
  return 64 - <i32>clz(greatest)
}

/** Packs values [from, to) with `width` bits each (32 at most), lowest bit first, as if zeros followed up to a multiple of 8. */
function packGroups(values: usize, from: i32, to: i32, width: i32): void {
  if (from === to) return
  const groups = (to - from + 7) >> 3
  putVarint(<u64>(2 * groups + 1))
  const start = endOfBytes()
  let at = start
  let word: u64 = 0
  let bits: u64 = 0
  for (let i = from; i < to; i++) {
    word |= (<u64>load<u32>(values + ((<usize>i) << 2))) << bits
    bits += width
    store<u64>(at, word)
    at += <usize>(bits >> 3)
    word >>= bits & 56
    bits &= 7
  }
  const end = start + <usize>(groups * width)
  store<u64>(at, word)
  at += 8
  for (; at < end; at += 8) store<u64>(at, 0)
  skipTo(end)
}

function putRun(value: u32, count: i32, width: i32): void {
  putVarint(2 * <u64>count)
  for (let bits = 0; bits < width; bits += 8) putByte(value >> bits)
}

function endOfRun(values: usize, from: i32, count: i32): i32 {
  const value = load<u32>(values + ((<usize>from) << 2))
  let end = from + 1
  while (end < count && load<u32>(values + ((<usize>end) << 2)) === value) end++
  return end
}

/** `count` 32-bit values at `values`, each below 2^`width`; `width` is 1 to 32. Up to 8 bytes behind them are overwritten. */
export function putHybrid(values: usize, count: i32, width: i32): void {
  let from = 0 // of those not yet written, to be packed
  for (let at = 0; at < count;) {
    const end = endOfRun(values, at, count)
    const start = from + ((at - from + 7) & -8) // packed values go by eights
    if (end - start >= LEAST_RUN) {
      packGroups(values, from, start, width)
      putRun(load<u32>(values + ((<usize>at) << 2)), end - start, width)
      from = end
    }
    at = end
  }
  packGroups(values, from, count, width)
}

/** The same, written to `out`. @returns bytes */
export function encodeHybrid(values: usize, count: i32, width: i32, out: usize): i32 {
  openAt(out)
  putHybrid(values, count, width)
  return <i32>(endOfBytes() - out)
}
