import { bitWidth, packBits } from './bit-packing.ts'
import type { ByteWriter } from './byte-writer.ts'

/** So many equal values in a row are worth a run of their own. */
const LEAST_RUN = 16

/** Parquet's hybrid of run lengths and packed bits for `count` values, each below 2^`width`; `width` is 1 to 32. */
export function encodeHybrid(out: ByteWriter, values: Uint32Array, count: number, width: number): void {
  let from = 0 // of those not yet written, to be packed
  for (let at = 0; at < count;) {
    const end = endOfRun(values, at, count)
    const start = from + 8 * Math.ceil((at - from) / 8) // packed values go by eights
    if (end - start >= LEAST_RUN) {
      packGroups(out, values, [from, start], width)
      encodeRun(out, values[at]!, end - start, width)
      from = end
    }
    at = end
  }
  packGroups(out, values, [from, count], width)
}

function endOfRun(values: Uint32Array, from: number, count: number): number {
  const value = values[from]!
  let end = from + 1
  while (end < count && values[end] === value) end++
  return end
}

export function encodeRun(out: ByteWriter, value: number, count: number, width: number): void {
  out.varint(2 * count)
  for (let bits = 0; bits < width; bits += 8) out.byte(value >>> bits)
}

function packGroups(
  out: ByteWriter,
  values: Uint32Array,
  [from, to]: readonly [number, number],
  width: number,
): void {
  if (from === to) return
  const groups = Math.ceil((to - from) / 8)
  out.varint(2 * groups + 1)
  packBits(out, values, [from, to], width, 8 * groups)
}

/** The levels of a data page: their length in bytes, then themselves. `levels` undefined: all are `max`. */
export function encodeLevels(
  out: ByteWriter,
  levels: Uint32Array | undefined,
  count: number,
  max: number,
): void {
  const start = out.length
  out.uint32(0)
  if (levels) encodeHybrid(out, levels, count, bitWidth(max))
  else encodeRun(out, max, count, bitWidth(max))
  out.setUint32(start, out.length - start - 4)
}
