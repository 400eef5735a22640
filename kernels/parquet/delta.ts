// DELTA_BINARY_PACKED: the first value as it is, then differences, by 128 with a width for every 32.
import { endOfBytes, putByte, putVarint, putZigzag, skipTo } from './bytes'
import { widthOf } from './hybrid'

const BLOCK = 128
const MINIBLOCKS = 4
const MINIBLOCK = BLOCK / MINIBLOCKS

const deltas: usize = memory.data(8 * BLOCK, 16)
const widths: usize = memory.data(4 * MINIBLOCKS, 16)

/** `count` 64-bit integers, at least one, no more than 2^51 apart. */
export function putDeltas(values: usize, count: i32): void {
  putVarint(BLOCK)
  putVarint(MINIBLOCKS)
  putVarint(<u64>count)
  putZigzag(load<i64>(values))
  for (let from = 1; from < count; from += BLOCK) {
    putBlock(values + ((<usize>from) << 3), min(BLOCK, count - from))
  }
}

function putBlock(values: usize, count: i32): void {
  let least = i64.MAX_VALUE
  for (let i: usize = 0; i < <usize>count; i++) {
    const delta = load<i64>(values + (i << 3)) - load<i64>(values + (i << 3) - 8)
    store<i64>(deltas + (i << 3), delta)
    least = min(least, delta)
  }
  for (let i: usize = 0; i < <usize>count; i++) {
    store<i64>(deltas + (i << 3), load<i64>(deltas + (i << 3)) - least)
  }
  memory.fill(deltas + ((<usize>count) << 3), 0, (<usize>(BLOCK - count)) << 3)
  putZigzag(least)
  for (let mini = 0; mini < MINIBLOCKS; mini++) {
    let every: u64 = 0
    const start = deltas + <usize>(mini * MINIBLOCK * 8)
    for (let i: usize = 0; i < <usize>MINIBLOCK; i++) every |= load<u64>(start + (i << 3))
    const width = widthOf(every)
    store<i32>(widths + ((<usize>mini) << 2), width)
    putByte(width)
  }
  for (let mini = 0; mini < MINIBLOCKS; mini++) {
    pack(deltas + <usize>(mini * MINIBLOCK * 8), load<i32>(widths + ((<usize>mini) << 2)))
  }
}

/** Widths are 53 bits at most, behind 7 that wait. */
function pack(values: usize, width: i32): void {
  if (width === 0) return
  let at = endOfBytes()
  const end = at + <usize>((MINIBLOCK / 8) * width)
  let word: u64 = 0
  let bits: u64 = 0
  for (let i: usize = 0; i < <usize>MINIBLOCK; i++) {
    word |= load<u64>(values + (i << 3)) << bits
    bits += width
    store<u64>(at, word)
    at += <usize>(bits >> 3)
    word >>= bits & 56
    bits &= 7
  }
  skipTo(end)
}
