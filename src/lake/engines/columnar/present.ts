import type { ListColumn, StringColumn } from '../../../core/batch.ts'

/** The values of a column without its nulls, and the levels that say where those are. */
export interface Present<Values> {
  readonly values: Values
  /** Rows; of lists, their elements and one for each null. */
  readonly entries: number
  readonly nulls: number
  /** Definition level per entry; undefined when none is null. */
  readonly definition: Uint32Array | undefined
  /** Of lists only: per entry 0 where a row begins, 1 where it goes on. */
  readonly repetition?: Uint32Array
}

/** The level of a value, and of a value inside a list: list, repeated group and element are there. */
export const VALUE_LEVEL = 1
export const ELEMENT_LEVEL = 3

/** A code below 0 is null. */
export function presentCodes({ codes }: StringColumn): Present<Int32Array> {
  const nulls = countNegative(codes)
  if (nulls === 0) return { values: codes, entries: codes.length, nulls, definition: undefined }
  const kept = new Int32Array(codes.length - nulls)
  const definition = new Uint32Array(codes.length)
  let at = 0
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!
    if (code < 0) continue
    definition[row] = VALUE_LEVEL
    kept[at++] = code
  }
  return { values: kept, entries: codes.length, nulls, definition }
}

function countNegative(codes: Int32Array): number {
  let found = 0
  for (let row = 0; row < codes.length; row++) found += codes[row]! >>> 31
  return found
}

/** An empty list is null. The values are those of the elements. */
export function presentElements({ offsets, values }: ListColumn): Present<Float64Array> {
  const rows = offsets.length - 1
  const first = offsets[0]!
  const elements = offsets[rows]! - first
  let nulls = 0
  for (let row = 0; row < rows; row++) if (offsets[row] === offsets[row + 1]) nulls++
  const entries = elements + nulls
  const definition = new Uint32Array(entries)
  const repetition = new Uint32Array(entries).fill(1)
  let at = 0
  for (let row = 0; row < rows; row++) {
    repetition[at] = 0
    const length = offsets[row + 1]! - offsets[row]!
    definition.fill(ELEMENT_LEVEL, at, at + length)
    at += Math.max(length, 1)
  }
  const kept = Float64Array.from(values.subarray(first, first + elements))
  return { values: kept, entries, nulls, definition, repetition }
}
