import type { DuckDBDataChunk, DuckDBListVector, DuckDBVector } from '@duckdb/node-api'
import {
  NS_NULL,
  type Batch,
  type ColumnData,
  type ColumnType,
  type ListColumn,
  type StringColumn,
} from '../../core/batch.ts'
import type { ColumnDefinition } from '../../market/dataset.ts'
import { selectDoubles } from './duckdb-columns.ts'
import { buffersOf, eachNull } from './duckdb-vectors.ts'

/** How one column is compared. */
export interface ColumnComparison {
  /** What is selected of the file. */
  readonly sql: string
  /** Whether a vector of that holds the expected rows from `from` on. */
  readonly holds: (vector: DuckDBVector, from: number) => boolean
}

/**
 * How columns of a file are compared with those of `expected`, cell for cell; the two zeros count as one. DuckDB gives
 * whole numbers as doubles, as they are here (±2^53, so no two of them become one).
 */
export const comparisonsOf = (
  columns: readonly ColumnDefinition[],
  expected: Batch,
): readonly ColumnComparison[] =>
  columns.map((column) => {
    const data = expected.columns[column.name]!
    const holds = (vector: DuckDBVector, from: number): boolean =>
      vectorHolds(column.type, vector, { data, from, nulls: nullsOf(vector) })
    return { sql: selectDoubles(column), holds }
  })

/** Whether `chunk`, whose columns are those of `comparisons`, holds the expected rows from `from` on. */
export const chunkHolds = (
  comparisons: readonly ColumnComparison[],
  chunk: DuckDBDataChunk,
  from: number,
): boolean => comparisons.every(({ holds }, i) => holds(chunk.getColumnVector(i), from))

/** What a vector should hold: the rows of `data` from `from` on. */
interface Expected<Data = ColumnData> {
  readonly data: Data
  readonly from: number
  /** Per row of the vector 1 for null; undefined when none is. */
  readonly nulls: Uint8Array | undefined
}

function nullsOf(vector: DuckDBVector): Uint8Array | undefined {
  let nulls: Uint8Array | undefined
  eachNull(vector, (row) => ((nulls ??= new Uint8Array(vector.itemCount))[row] = 1))
  return nulls
}

function vectorHolds(type: ColumnType, vector: DuckDBVector, expected: Expected): boolean {
  switch (type) {
    case 'date':
      return holdsNumbers(buffersOf<Int32Array>(vector).items, expected as Expected<Float64Array>)
    case 'double':
    case 'timestamp':
    case 'int64':
      return holdsNumbers(buffersOf<Float64Array>(vector).items, expected as Expected<Float64Array>)
    case 'ns':
      return holdsNanoseconds(buffersOf<BigInt64Array>(vector).items, expected as Expected<BigInt64Array>)
    case 'string':
      return holdsStrings(vector, expected as Expected<StringColumn>)
    case 'int_list':
      return holdsLists(vector as DuckDBListVector, expected as Expected<ListColumn>)
  }
}

function holdsNumbers(items: Float64Array | Int32Array, expected: Expected<Float64Array>): boolean {
  const { data, from, nulls } = expected
  if (!nulls && isSameMemory(items, data.subarray(from, from + items.length))) return !items.includes(NaN)
  for (let row = 0; row < items.length; row++) {
    const value = data[from + row]!
    if (items[row] !== value && !(nulls?.[row] === 1 && Number.isNaN(value))) return false
    if (nulls?.[row] === 1 && !Number.isNaN(value)) return false // a null's bytes mean nothing
  }
  return true
}

/** Mostly so, and told in a moment. */
const isSameMemory = (a: Float64Array | Int32Array, b: Float64Array): boolean =>
  a instanceof Float64Array && Buffer.compare(bytesOf(a), bytesOf(b)) === 0

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

function holdsNanoseconds(items: BigInt64Array, { data, from, nulls }: Expected<BigInt64Array>): boolean {
  for (let row = 0; row < items.length; row++) {
    const value = nulls?.[row] === 1 ? NS_NULL : items[row]
    if (value !== data[from + row]) return false
  }
  return true
}

/** A value is 16 bytes: length, then text or prefix and pointer. Where they repeat, so does the text. */
function holdsStrings(vector: DuckDBVector, { data, from, nulls }: Expected<StringColumn>): boolean {
  const { dataView } = vector as unknown as { readonly dataView: DataView }
  const words = new Int32Array(dataView.buffer, dataView.byteOffset, vector.itemCount * 4)
  let known = -1 // the code whose text the row before holds
  for (let row = 0; row < vector.itemCount; row++) {
    const code = data.codes[from + row]!
    if (nulls?.[row] === 1) {
      if (code >= 0) return false
      known = -1
    } else if (code < 0 || known !== code || !repeats(words, row)) {
      if (code < 0 || vector.getItem(row) !== data.dictionary[code]) return false
      known = code
    }
  }
  return true
}

/** Whether the 16 bytes of `row` are those of the row before. */
export function repeats(words: Int32Array, row: number): boolean {
  const at = 4 * row
  for (let word = at; word < at + 4; word++) {
    if (words[word] !== words[word - 4]) return false
  }
  return true
}

function holdsLists(vector: DuckDBListVector, { data, from, nulls }: Expected<ListColumn>): boolean {
  const { items } = buffersOf<Int32Array>(vector.childVector)
  for (let row = 0; row < vector.itemCount; row++) {
    const [start, end] = [data.offsets[from + row]!, data.offsets[from + row + 1]!]
    if (nulls?.[row] === 1) {
      if (start !== end) return false
      continue
    }
    const [first, length] = [vector.getEntryOffset(row), vector.getEntryLength(row)]
    if (length === 0 || length !== end - start) return false // an empty list is held as null
    for (let i = 0; i < length; i++) if (items[first + i] !== data.values[start + i]) return false
  }
  return true
}
