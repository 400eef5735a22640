import { NS_NULL, takeRows, type Batch, type StringColumn } from './batch.ts'
import { SchemaError } from './errors.ts'

/**
 * Order and identity of rows by their dataset's key. Numbers ascend with null last, strings ascend by UTF-16
 * code unit with null first; rows with equal keys keep the order in which they came.
 */

/** Compares row `i` of one batch with row `j` of another: negative, zero or positive. */
export type RowOrder = (i: number, j: number) => number

/**
 * The order of rows by `key`, from `a` to `b` (which may be the same batch).
 *
 * @throws {SchemaError} when a key column is missing or is a list
 */
export function rowOrder(key: readonly string[], a: Batch, b: Batch = a): RowOrder {
  const orders = key.map((name) => columnOrder(name, a, b)).filter((order) => order !== undefined)
  const [first, second] = orders
  if (!first) return () => 0
  if (!second) return first
  return (i, j) => {
    for (const order of orders) {
      const result = order(i, j)
      if (result !== 0) return result
    }
    return 0
  }
}

/** Undefined where the column is the same in every row of both: it orders nothing. */
function columnOrder(name: string, a: Batch, b: Batch): RowOrder | undefined {
  const type = a.schema.find((column) => column.name === name)?.type
  const left = a.columns[name]
  const right = b.columns[name]
  if (!type || !left || !right) throw new SchemaError(`${a.dataset}.${name}: key column is missing`)
  if (type === 'string') return stringOrder(left as StringColumn, right as StringColumn)
  if (type === 'ns') return nsOrder(left as BigInt64Array, right as BigInt64Array)
  if (type === 'int_list') throw new SchemaError(`${a.dataset}.${name}: a list cannot be part of a key`)
  return numberOrder(left as Float64Array, right as Float64Array)
}

function numberOrder(a: Float64Array, b: Float64Array): RowOrder {
  return (i, j) => {
    const x = a[i]!
    const y = b[j]!
    if (x < y) return -1
    if (x > y) return 1
    if (x === y) return 0
    return Number(Number.isNaN(x)) - Number(Number.isNaN(y))
  }
}

function nsOrder(a: BigInt64Array, b: BigInt64Array): RowOrder {
  return (i, j) => {
    const x = a[i]!
    const y = b[j]!
    if (x === y) return 0
    if (x === NS_NULL) return 1
    if (y === NS_NULL) return -1
    return x < y ? -1 : 1
  }
}

function stringOrder(a: StringColumn, b: StringColumn): RowOrder | undefined {
  if (isConstant(a) && isConstant(b) && a.dictionary[0] === b.dictionary[0]) return undefined
  return (i, j) => {
    const x = a.dictionary[a.codes[i]!]
    const y = b.dictionary[b.codes[j]!]
    if (x === y) return 0
    if (x === undefined) return -1
    if (y === undefined) return 1
    return x < y ? -1 : 1
  }
}

const isConstant = ({ codes, dictionary }: StringColumn): boolean =>
  dictionary.length === 1 && !codes.includes(-1)

/** True when each row's key is above the key of the row before: sorted, and no key twice. */
export function isStrictlyAscending(batch: Batch, key: readonly string[]): boolean {
  const order = rowOrder(key, batch)
  for (let row = 1; row < batch.length; row++) {
    if (order(row - 1, row) >= 0) return false
  }
  return true
}

/** Rows in order of `key`, as indices; equal keys keep their order. */
export function sortIndex(batch: Batch, key: readonly string[]): Uint32Array {
  const order = rowOrder(key, batch)
  const rows = new Uint32Array(batch.length)
  for (let row = 0; row < rows.length; row++) rows[row] = row
  return rows.sort((i, j) => order(i, j) || i - j)
}

/**
 * `batch` sorted by `key` with one row per key: of rows that share a key, the one given last. The same object
 * comes back where nothing was to do.
 */
export function dedupLastWins(batch: Batch, key: readonly string[]): Batch {
  if (isStrictlyAscending(batch, key)) return batch
  const sorted = sortIndex(batch, key)
  const order = rowOrder(key, batch)
  const kept = new Uint32Array(sorted.length)
  let count = 0
  for (let at = 0; at < sorted.length; at++) {
    const next = sorted[at + 1]
    if (next !== undefined && order(sorted[at]!, next) === 0) continue
    kept[count++] = sorted[at]!
  }
  return takeRows(batch, kept.subarray(0, count))
}
