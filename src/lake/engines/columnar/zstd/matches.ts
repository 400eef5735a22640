import type { Sequences } from './sequences.ts'

/** Most bytes of a block, before compression. */
export const BLOCK_BYTES = 128 * 1024
const MAX_SEQUENCES = BLOCK_BYTES / 4 + 1
/** Matches reach no further back. */
export const WINDOW_BYTES = 1024 * 1024
const SLOT_BITS = 14

/** Where matches are worth looking for. */
export interface Grid {
  /** Bytes between places: the width of the values, or 1 for anything else. */
  readonly stride: number
  /** The first place. */
  readonly lead: number
}

/** Last place seen of each hash; shared, since one page is compressed at a time. */
const slots = new Int32Array(1 << SLOT_BITS)
const found = {
  literals: new Uint32Array(MAX_SEQUENCES),
  lengths: new Uint32Array(MAX_SEQUENCES),
  offsets: new Uint32Array(MAX_SEQUENCES),
}
const literalBytes = new Uint8Array(BLOCK_BYTES + 4)
const copies = new DataView(literalBytes.buffer)

/** A block taken apart; valid until the next one is. */
export interface Parsed extends Sequences {
  /** All literals, those behind the last match included. */
  readonly text: Uint8Array
  /** The distance of the last match of the page so far. */
  readonly distance: number
}

/**
 * Finds matches in a page, block by block: four bytes that stood before at the last place with their hash, with all
 * equal bytes around them. Of a column of doubles it looks at their low halves only, which repeat with prices.
 */
export class MatchFinder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #grid: Grid

  constructor(page: Uint8Array, grid: Grid) {
    this.#bytes = page
    this.#view = new DataView(page.buffer, page.byteOffset, page.byteLength)
    this.#grid = grid
    slots.fill(-1)
  }

  /** @param last the distance of the last match before, 1 at first */
  parse(from: number, to: number, last: number): Parsed {
    const bytes = this.#bytes
    const view = this.#view
    const { stride, lead } = this.#grid
    let [anchor, kept, count, distance] = [from, 0, 0, last]
    let at = lead + Math.ceil((from - lead) / stride) * stride
    if (at < 0) at += stride
    while (at + 4 <= to) {
      const word = view.getUint32(at, true)
      const slot = Math.imul(word, 0x9e3779b1) >>> (32 - SLOT_BITS)
      const before = slots[slot]!
      slots[slot] = at
      if (before < 0 || at - before > WINDOW_BYTES || view.getUint32(before, true) !== word) {
        at += stride === 1 ? 1 + ((at - anchor) >> 6) : stride
        continue
      }
      const away = at - before
      const end = matchEnd(view, at + 4, away, to)
      const start = matchStart(view, at, away, anchor)
      const literals = start - anchor
      if (literals <= 4) copies.setUint32(kept, view.getUint32(anchor, true), true)
      else literalBytes.set(bytes.subarray(anchor, start), kept)
      kept += literals
      found.literals[count] = literals
      found.lengths[count] = end - start
      found.offsets[count++] = literals > 0 && away === distance ? 1 : away + 3
      distance = away
      anchor = end
      at = stride === 1 ? end : lead + Math.ceil((end - lead) / stride) * stride
    }
    literalBytes.set(bytes.subarray(anchor, to), kept)
    kept += to - anchor
    return { ...found, count, text: literalBytes.subarray(0, kept), distance }
  }
}

/** How far the bytes from `from` on are those `away` bytes before. */
function matchEnd(view: DataView, from: number, away: number, to: number): number {
  let end = from
  for (; end + 4 <= to; end += 4) {
    const differs = view.getInt32(end, true) ^ view.getInt32(end - away, true)
    if (differs !== 0) return end + ((31 - Math.clz32(differs & -differs)) >> 3)
  }
  while (end < to && view.getUint8(end) === view.getUint8(end - away)) end++
  return end
}

/** From where on the bytes before `from` are those `away` bytes before, back to `least` at most. */
function matchStart(view: DataView, from: number, away: number, least: number): number {
  const first = Math.max(least, away)
  let start = from
  for (; start - 4 >= first; start -= 4) {
    const differs = view.getInt32(start - 4, true) ^ view.getInt32(start - 4 - away, true)
    if (differs !== 0) return start - (Math.clz32(differs) >> 3)
  }
  while (start > first && view.getUint8(start - 1) === view.getUint8(start - 1 - away)) start--
  return start
}
