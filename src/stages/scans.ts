import type { ListColumn, StringColumn } from '../core/batch.ts'
import { halvesOf } from '../core/sort.ts'

/**
 * The hot path of validation: each scan finds the first row at or after `from` that breaks its rule, or
 * the number of rows. Plain loops over typed arrays; nothing is made and nothing is called per row.
 *
 * The loops are functions of the module, not of the closures around them: the compiled code of a closure is gone
 * with the first garbage collection after its batch.
 */
export type Scan = (from: number) => number

/** Rows that are null or not finite. */
export const scanNotFinite =
  (values: Float64Array): Scan =>
  (from) =>
    firstNotFinite(values, from)

function firstNotFinite(values: Float64Array, from: number): number {
  let row = from
  // Only finite numbers leave zero when taken from themselves.
  while (row < values.length && values[row]! - values[row]! === 0) row++
  return row
}

/** Rows at or below zero, or infinite; null passes. */
export const scanNotPositive =
  (values: Float64Array): Scan =>
  (from) =>
    firstNotPositive(values, from)

function firstNotPositive(values: Float64Array, from: number): number {
  let row = from
  while (row < values.length && !(values[row]! <= 0 || values[row] === Infinity)) row++
  return row
}

/** Rows below zero, or infinite; null passes. */
export const scanNegative =
  (values: Float64Array): Scan =>
  (from) =>
    firstNegative(values, from)

function firstNegative(values: Float64Array, from: number): number {
  let row = from
  while (row < values.length && !(values[row]! < 0 || values[row] === Infinity)) row++
  return row
}

/** Rows that are not whole numbers within ±2^53; null passes. */
export const scanNotWhole =
  (values: Float64Array): Scan =>
  (from) =>
    firstNotWhole(values, from)

function firstNotWhole(values: Float64Array, from: number): number {
  for (let row = from; row < values.length; row++) {
    const value = values[row]!
    if (Math.floor(value) !== value && !Number.isNaN(value)) return row
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) return row
  }
  return values.length
}

/** Rows that are finite and beyond ±(2^53 − 1), where doubles skip integers; null passes. */
export const scanNotExact =
  (values: Float64Array): Scan =>
  (from) =>
    firstNotExact(values, from)

function firstNotExact(values: Float64Array, from: number): number {
  for (let row = from; row < values.length; row++) {
    const size = Math.abs(values[row]!)
    if (size > Number.MAX_SAFE_INTEGER && size !== Infinity) return row
  }
  return values.length
}

/** Rows where `low` is above `high`; null on either side passes. */
export const scanNotOrdered =
  (low: Float64Array, high: Float64Array): Scan =>
  (from) =>
    firstNotOrdered(low, high, from)

function firstNotOrdered(low: Float64Array, high: Float64Array, from: number): number {
  let row = from
  while (row < low.length && !(low[row]! > high[row]!)) row++
  return row
}

/** Rows that are not a whole multiple of `unit`; null passes. Exact: both are whole and below 2^53. */
export const scanNotMultiple =
  (values: Float64Array, unit: number): Scan =>
  (from) =>
    firstNotMultiple(values, unit, from)

function firstNotMultiple(values: Float64Array, unit: number, from: number): number {
  for (let row = from; row < values.length; row++) {
    const value = values[row]!
    if (Math.floor(value / unit) * unit !== value && !Number.isNaN(value)) return row
  }
  return values.length
}

/** Rows whose nanoseconds are null. */
export function scanNullNs(values: BigInt64Array): Scan {
  const [high, low] = halvesOf(values)
  return (from) => firstNullNs(high, low, from, values.length)
}

function firstNullNs(high: Int32Array, low: Uint32Array, from: number, length: number): number {
  let row = from
  while (row < length && !(high[2 * row + 1] === -0x8000_0000 && low[2 * row] === 0)) row++
  return row
}

/** Rows whose list is empty, which is how a list is null. */
export const scanEmptyList =
  ({ offsets }: ListColumn): Scan =>
  (from) =>
    firstEmptyList(offsets, from)

function firstEmptyList(offsets: Uint32Array, from: number): number {
  let row = from
  while (row < offsets.length - 1 && offsets[row] !== offsets[row + 1]) row++
  return row
}

/** Rows whose string is null or empty. */
export function scanNoText(column: StringColumn): Scan {
  return scanOtherText(column, (text) => text !== '', false)
}

/** Rows whose string `accepts` refuses; asked once per string that occurs. Null passes if `nullPasses`. */
export function scanOtherText(
  column: StringColumn,
  accepts: (text: string) => boolean,
  nullPasses: boolean,
): Scan {
  // Only the strings of these rows are looked at: of trades each has its own, and a block is a part of them.
  const verdicts = new Uint8Array(column.dictionary.length)
  const judge = (code: number): number => (verdicts[code] = accepts(column.dictionary[code]!) ? 1 : 2)
  return (from) => firstOtherText(column.codes, { verdicts, judge }, nullPasses, from)
}

interface Verdicts {
  /** Per code: 0 not judged yet, 1 accepted, 2 refused. */
  readonly verdicts: Uint8Array
  readonly judge: (code: number) => number
}

function firstOtherText(
  codes: Int32Array,
  { verdicts, judge }: Verdicts,
  nullPasses: boolean,
  from: number,
): number {
  for (let row = from; row < codes.length; row++) {
    const code = codes[row]!
    if (code < 0 ? !nullPasses : (verdicts[code] || judge(code)) !== 1) return row
  }
  return codes.length
}

/** Rows whose code is below zero: those that belong to no session. */
export const scanNegativeCode =
  (codes: Int32Array): Scan =>
  (from) =>
    firstNegativeCode(codes, from)

function firstNegativeCode(codes: Int32Array, from: number): number {
  let row = from
  while (row < codes.length && codes[row]! >= 0) row++
  return row
}
