import { bitWidth, packBits, packWide } from './bit-packing.ts'
import type { ByteWriter } from './byte-writer.ts'

const BLOCK = 128
const MINIBLOCKS = 4
const MINIBLOCK = BLOCK / MINIBLOCKS

/** The widest range of values that is encoded: differences of differences stay exact in a double. */
export const DELTA_RANGE = 2 ** 51

const deltas = new Float64Array(BLOCK)
const words = new Uint32Array(BLOCK)

/**
 * DELTA_BINARY_PACKED: the first value as it is, then differences, by 128 with a width for every 32.
 *
 * @param values whole numbers, at most {@link DELTA_RANGE} apart, at least one
 * @param first what the first of `values` stands for: the others may be given relative to any point
 */
export function encodeDelta(out: ByteWriter, values: Float64Array, first: bigint): void {
  out.varint(BLOCK)
  out.varint(MINIBLOCKS)
  out.varint(values.length)
  out.zigzag64(first)
  for (let from = 1; from < values.length; from += BLOCK) encodeBlock(out, values, from)
}

function encodeBlock(out: ByteWriter, values: Float64Array, from: number): void {
  const count = Math.min(BLOCK, values.length - from)
  let least = Infinity
  for (let i = 0; i < count; i++) {
    const delta = values[from + i]! - values[from + i - 1]!
    deltas[i] = delta
    if (delta < least) least = delta
  }
  for (let i = 0; i < count; i++) words[i] = deltas[i]! -= least
  words.fill(0, count)
  deltas.fill(0, count)
  out.zigzag(least)
  const widths = Array.from({ length: MINIBLOCKS }, (_, mini) => widthOf(mini * MINIBLOCK))
  for (const width of widths) out.byte(width)
  widths.forEach((width, mini) => {
    const start = mini * MINIBLOCK
    if (width > 32) packWide(out, deltas, start, width)
    else packBits(out, words, [start, start + MINIBLOCK], width, MINIBLOCK)
  })
}

function widthOf(start: number): number {
  let max = 0
  for (let i = start; i < start + MINIBLOCK; i++) if (deltas[i]! > max) max = deltas[i]!
  return bitWidth(max)
}
