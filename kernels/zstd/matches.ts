// Matches in a page, block by block: four bytes that stood before at the last place with their hash, with all equal bytes around
// them. Of a column of doubles only the low halves are looked at, which repeat with prices.

/** Most bytes of a block, before compression. */
export const BLOCK_BYTES = 128 * 1024
const MAX_SEQUENCES = BLOCK_BYTES / 4 + 1
/** Matches reach no further back. */
export const WINDOW_BYTES = 1024 * 1024
const SLOT_BITS = 14
const SLOTS_BYTES = 4 << SLOT_BITS

/** Last place seen of each hash, plus one; 0 for none. */
const slots: usize = memory.data(SLOTS_BYTES, 16)
/** Of each match: the literals before it, its bytes, and its distance plus 3, or 1 for that of the match before. */
export const matchLiterals: usize = memory.data(4 * MAX_SEQUENCES, 16)
export const matchLengths: usize = memory.data(4 * MAX_SEQUENCES, 16)
export const matchOffsets: usize = memory.data(4 * MAX_SEQUENCES, 16)
/** All literals of the block, those behind its last match included. */
export const literals: usize = memory.data(BLOCK_BYTES + 32, 16)

export let matchCount: i32 = 0
export let literalCount: i32 = 0
/** Distance of the last match. */
export let lastDistance: i32 = 1

export function forgetMatches(): void {
  memory.fill(slots, 0, SLOTS_BYTES)
  lastDistance = 1
}

export function setLastDistance(distance: i32): void {
  lastDistance = distance
}

/** Takes the bytes [from, to) of `page` apart. Places are looked at `stride` apart, the first is `lead`. */
export function findMatches(page: usize, from: i32, to: i32, stride: i32, lead: i32): void {
  let anchor = from
  let kept = literals
  let count: usize = 0
  let distance = lastDistance
  let at = from <= lead ? lead : nextPlace(from, stride, lead)
  while (at + 4 <= to) {
    const word = load<u32>(page + <usize>at)
    const slot = slots + ((<usize>((word * 0x9e3779b1) >> (32 - SLOT_BITS))) << 2)
    const before = load<i32>(slot) - 1
    store<i32>(slot, at + 1)
    if (before < 0 || at - before > WINDOW_BYTES || load<u32>(page + <usize>before) !== word) {
      at += stride === 1 ? 1 + ((at - anchor) >> 6) : stride
      continue
    }
    const away = at - before
    const end = matchEnd(page, at + 4, away, to)
    const start = matchStart(page, at, away, max(anchor, away))
    const alone = start - anchor
    copyLiterals(kept, page + <usize>anchor, alone)
    kept += <usize>alone
    store<u32>(matchLiterals + count, <u32>alone)
    store<u32>(matchLengths + count, <u32>(end - start))
    store<u32>(matchOffsets + count, alone > 0 && away === distance ? 1 : <u32>(away + 3))
    count += 4
    distance = away
    anchor = end
    at = stride === 1 ? end : nextPlace(end, stride, lead)
  }
  memory.copy(kept, page + <usize>anchor, <usize>(to - anchor))
  matchCount = <i32>(count >> 2)
  literalCount = <i32>(kept - literals) + to - anchor
  lastDistance = distance
}

/** The first place at or behind `from`, which is not before the first. Strides are powers of two. */
function nextPlace(from: i32, stride: i32, lead: i32): i32 {
  return lead + ((from - lead + stride - 1) & -stride)
}

/** May write 16 bytes more than asked. */
function copyLiterals(to: usize, from: usize, length: i32): void {
  v128.store(to, v128.load(from))
  for (let i = 16; i < length; i += 16) v128.store(to + <usize>i, v128.load(from + <usize>i))
}

/** How far the bytes from `from` on are those `away` bytes before. */
function matchEnd(page: usize, from: i32, away: i32, to: i32): i32 {
  let end = from
  for (; end + 8 <= to; end += 8) {
    const differs = load<u64>(page + <usize>end) ^ load<u64>(page + <usize>(end - away))
    if (differs !== 0) return end + <i32>(ctz(differs) >> 3)
  }
  while (end < to && load<u8>(page + <usize>end) === load<u8>(page + <usize>(end - away))) end++
  return end
}

/** From where on the bytes before `from` are those `away` bytes before, back to `first` at most. */
function matchStart(page: usize, from: i32, away: i32, first: i32): i32 {
  let start = from
  for (; start - 8 >= first; start -= 8) {
    const differs = load<u64>(page + <usize>(start - 8)) ^ load<u64>(page + <usize>(start - 8 - away))
    if (differs !== 0) return start - <i32>(clz(differs) >> 3)
  }
  while (start > first && load<u8>(page + <usize>(start - 1)) === load<u8>(page + <usize>(start - 1 - away)))
    start--
  return start
}
