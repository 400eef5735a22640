import type { ListColumn, StringColumn } from '../core/batch.ts'
import { halvesOf } from '../core/sort.ts'

/**
 * The hot path of validation: each scan finds the first row at or after `from` that breaks its rule, or
 * the number of rows. Plain loops over typed arrays; nothing is made and nothing is called per row.
 */
export type Scan = (from: number) => number

/** Rows that are null or not finite. */
export function scanNotFinite(values: Float64Array): Scan {
  return (from) => {
    let row = from
    // Only finite numbers leave zero when taken from themselves.
    while (row < values.length && values[row]! - values[row]! === 0) row++
    return row
  }
}

/** Rows at or below zero, or infinite; null passes. */
export function scanNotPositive(values: Float64Array): Scan {
  return (from) => {
    let row = from
    while (row < values.length && !(values[row]! <= 0 || values[row] === Infinity)) row++
    return row
  }
}

/** Rows below zero, or infinite; null passes. */
export function scanNegative(values: Float64Array): Scan {
  return (from) => {
    let row = from
    while (row < values.length && !(values[row]! < 0 || values[row] === Infinity)) row++
    return row
  }
}

/** Rows that are not whole numbers within ±2^53; null passes. */
export function scanNotWhole(values: Float64Array): Scan {
  return (from) => {
    for (let row = from; row < values.length; row++) {
      const value = values[row]!
      if (Math.floor(value) !== value && !Number.isNaN(value)) return row
      if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) return row
    }
    return values.length
  }
}

/** Rows where `low` is above `high`; null on either side passes. */
export function scanNotOrdered(low: Float64Array, high: Float64Array): Scan {
  return (from) => {
    let row = from
    while (row < low.length && !(low[row]! > high[row]!)) row++
    return row
  }
}

/** Rows that are not a whole multiple of `unit`; null passes. Exact: both are whole and below 2^53. */
export function scanNotMultiple(values: Float64Array, unit: number): Scan {
  return (from) => {
    for (let row = from; row < values.length; row++) {
      const value = values[row]!
      if (Math.floor(value / unit) * unit !== value && !Number.isNaN(value)) return row
    }
    return values.length
  }
}

/** Rows whose nanoseconds are null. */
export function scanNullNs(values: BigInt64Array): Scan {
  const [high, low] = halvesOf(values)
  return (from) => {
    let row = from
    while (row < values.length && !(high[2 * row + 1] === -0x8000_0000 && low[2 * row] === 0)) row++
    return row
  }
}

/** Rows whose list is empty, which is how a list is null. */
export function scanEmptyList({ offsets }: ListColumn): Scan {
  return (from) => {
    let row = from
    while (row < offsets.length - 1 && offsets[row] !== offsets[row + 1]) row++
    return row
  }
}

/** Rows whose string is null or empty. */
export function scanNoText(column: StringColumn): Scan {
  return scanOtherText(column, (text) => text !== '', false)
}

/** Rows whose string `accepts` refuses; asked once per entry of the dictionary. Null passes if `nullPasses`. */
export function scanOtherText(
  { codes, dictionary }: StringColumn,
  accepts: (text: string) => boolean,
  nullPasses: boolean,
): Scan {
  const accepted = Uint8Array.from(dictionary, (text) => (accepts(text) ? 1 : 0))
  return (from) => {
    for (let row = from; row < codes.length; row++) {
      const code = codes[row]!
      if (code < 0 ? !nullPasses : accepted[code] !== 1) return row
    }
    return codes.length
  }
}

/** Rows whose code is below zero: those that belong to no session. */
export function scanNegativeCode(codes: Int32Array): Scan {
  return (from) => {
    let row = from
    while (row < codes.length && codes[row]! >= 0) row++
    return row
  }
}
