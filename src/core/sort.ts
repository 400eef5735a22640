import {
  takeRows,
  type Batch,
  type ColumnData,
  type ColumnType,
  type ListColumn,
  type StringColumn,
} from './batch.ts'
import { SchemaError } from './errors.ts'

/**
 * Order of rows by their key: column after column, ascending; null comes before every value, strings
 * compare by their UTF-8 bytes, as DuckDB and Parquet's statistics do. Nothing here makes an object per row.
 */

/** Below zero when row `a` of the left batch comes before row `b` of the right one, zero when equal. */
export type RowComparator = (a: number, b: number) => number

/**
 * Compares rows of two batches of one schema (or of one batch with itself) by `columns`.
 *
 * @throws {SchemaError} when a column is missing or of another type on one side
 */
export function rowComparator(left: Batch, right: Batch, columns: readonly string[]): RowComparator {
  const comparators = columns
    .filter((name) => !isSameConstant(left.columns[name], right.columns[name]))
    .map((name) => columnComparator(typeOf(left, right, name), left.columns[name]!, right.columns[name]!))
  const [first, second] = comparators
  if (!first) return () => 0
  if (!second) return first
  if (comparators.length === 2) return (a, b) => first(a, b) || second(a, b)
  return (a, b) => {
    for (const compare of comparators) {
      const order = compare(a, b)
      if (order !== 0) return order
    }
    return 0
  }
}

function typeOf(left: Batch, right: Batch, name: string): ColumnType {
  const type = left.schema.find((column) => column.name === name)?.type
  const twin = right.schema.find((column) => column.name === name)?.type
  if (type && type === twin) return type
  throw new SchemaError(
    `${left.dataset}.${name}: cannot compare ${type ?? 'nothing'} to ${twin ?? 'nothing'}`,
  )
}

/** True for a string column that holds one and the same value in every row of both, mostly the ticker. */
function isSameConstant(left: ColumnData | undefined, right: ColumnData | undefined): boolean {
  if (!left || !right || !('codes' in left) || !('codes' in right)) return false
  if (left.dictionary.length !== 1 || left.dictionary[0] !== right.dictionary[0]) return false
  if (right.dictionary.length !== 1 || left.codes.includes(-1)) return false
  return left === right || !right.codes.includes(-1)
}

function columnComparator(type: ColumnType, left: ColumnData, right: ColumnData): RowComparator {
  switch (type) {
    case 'string':
      return compareStrings(left as StringColumn, right as StringColumn)
    case 'ns':
      return compareNs(left as BigInt64Array, right as BigInt64Array)
    case 'int_list':
      return compareLists(left as ListColumn, right as ListColumn)
    default:
      return compareNumbers(left as Float64Array, right as Float64Array)
  }
}

function compareNumbers(left: Float64Array, right: Float64Array): RowComparator {
  return (a, b) => {
    const x = left[a]!
    const y = right[b]!
    if (x < y) return -1
    if (x > y) return 1
    if (x === y) return 0
    return Number(Number.isNaN(y)) - Number(Number.isNaN(x))
  }
}

function compareStrings(left: StringColumn, right: StringColumn): RowComparator {
  const shared = left.dictionary === right.dictionary
  return (a, b) => {
    const i = left.codes[a]!
    const j = right.codes[b]!
    if (i < 0 || j < 0) return Math.min(j, 0) === Math.min(i, 0) ? 0 : i < 0 ? -1 : 1
    if (shared && i === j) return 0
    const x = left.dictionary[i]!
    const y = right.dictionary[j]!
    return compareUtf8(x, y)
  }
}

/** Orders strings by their UTF-8 bytes, which is by code point; JavaScript's own `<` goes by UTF-16 units. */
export function compareUtf8(x: string, y: string): number {
  const length = Math.min(x.length, y.length)
  for (let i = 0; i < length; i++) {
    const [unitX, unitY] = [x.charCodeAt(i), y.charCodeAt(i)]
    if (unitX !== unitY) return surrogatesLast(unitX) - surrogatesLast(unitY)
  }
  return x.length - y.length
}

/** Lifts surrogates, which stand for code points above 0xFFFF, over the units 0xE000 to 0xFFFF. */
const surrogatesLast = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x2800 : unit)

/** Compares the halves of the 64 bits: reading a BigInt per row is several times slower. */
function compareNs(left: BigInt64Array, right: BigInt64Array): RowComparator {
  const [highX, lowX] = halvesOf(left)
  const [highY, lowY] = halvesOf(right)
  return (a, b) => highX[2 * a + 1]! - highY[2 * b + 1]! || lowX[2 * a]! - lowY[2 * b]!
}

/** Views of an `ns` column (little-endian machines): row i has its high half at 2i+1, its low half at 2i. */
export function halvesOf(values: BigInt64Array): readonly [Int32Array, Uint32Array] {
  const { buffer, byteOffset, length } = values
  return [new Int32Array(buffer, byteOffset, 2 * length), new Uint32Array(buffer, byteOffset, 2 * length)]
}

function compareLists(left: ListColumn, right: ListColumn): RowComparator {
  return (a, b) => {
    const [x, endX] = [left.offsets[a]!, left.offsets[a + 1]!]
    const [y, endY] = [right.offsets[b]!, right.offsets[b + 1]!]
    for (let i = 0; x + i < endX && y + i < endY; i++) {
      const order = left.values[x + i]! - right.values[y + i]!
      if (order !== 0) return order
    }
    return endX - x - (endY - y)
  }
}

/** True when every row comes strictly after the one before it: sorted by `key`, each key once. */
export const isStrictlyAscending = (batch: Batch, key: readonly string[]): boolean =>
  firstNotAscending(batch, key, 1) >= batch.length

/** The first row, from `from` (at least 1) on, that does not come strictly after the one before it, or the number of rows. */
export function firstNotAscending(batch: Batch, key: readonly string[], from: number): number {
  const only = onlyNumbers(batch, key)
  if (only) return firstNotAbove(only, from)
  const compare = rowComparator(batch, batch, key)
  let row = from
  while (row < batch.length && compare(row - 1, row) < 0) row++
  return Math.min(row, batch.length)
}

/** The one column of numbers that decides the order of `batch`, where there is such: that is so of bars of one ticker. */
function onlyNumbers(batch: Batch, key: readonly string[]): Float64Array | undefined {
  const deciding = key.filter((name) => !isSameConstant(batch.columns[name], batch.columns[name]))
  const [name] = deciding
  if (name === undefined || deciding.length > 1) return undefined
  const isKnown = batch.schema.some((column) => column.name === name)
  const data = batch.columns[name]
  return isKnown && data instanceof Float64Array ? data : undefined
}

/** Null is below every number and above none: two of them do not ascend. */
function firstNotAbove(values: Float64Array, from: number): number {
  let row = from
  while (row < values.length && values[row]! > values[row - 1]!) row++
  if (row >= values.length || values[row - 1] === values[row - 1] || values[row] !== values[row]) {
    return Math.min(row, values.length)
  }
  return firstNotAbove(values, row + 1)
}

/** The rows of `batch` in order of `key`; rows with the same key keep their order. */
export function sortIndex(batch: Batch, key: readonly string[]): Uint32Array {
  return rowNumbers(batch.length).sort(rowComparator(batch, batch, key))
}

function rowNumbers(length: number): Uint32Array {
  const rows = new Uint32Array(length)
  for (let row = 0; row < length; row++) rows[row] = row
  return rows
}

/**
 * `batch` sorted by `key`, each key once: of rows with the same key the last given stays. A batch that
 * already is so comes back as the same object.
 */
export function dedupLastWins(batch: Batch, key: readonly string[]): Batch {
  if (isStrictlyAscending(batch, key)) return batch
  const compare = rowComparator(batch, batch, key)
  const rows = rowNumbers(batch.length).sort(compare)
  let kept = 0
  for (let i = 0; i < rows.length; i++) {
    const isLast = i + 1 === rows.length || compare(rows[i]!, rows[i + 1]!) !== 0
    if (isLast) rows[kept++] = rows[i]!
  }
  return takeRows(batch, rows.subarray(0, kept))
}
