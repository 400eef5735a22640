import type { DuckDBVector } from '@duckdb/node-api'
import { NS_NULL, type ListColumn, type StringColumn } from '../../core/batch.ts'
import type { DuckDbModule } from './duckdb-instance.ts'

/**
 * Fills and reads DuckDB's vectors (at most 2,048 values each) from and into columns, without an object or a BigInt per
 * value. Missing values become bits of the validity mask, never NaN.
 *
 * The buffers of a vector are private in the binding's typings; {@link buffersOf} is the one place that reaches
 * for them. The binding's version is pinned, and the contract suite of the engines notices a change.
 */
interface VectorBuffers<Items> {
  /** A copy of the vector's values; `flush` copies it back. Filling a vector may put the values themselves here. */
  items: Items
  readonly validity: { data: BigUint64Array | null }
}

export const buffersOf = <Items>(vector: DuckDBVector): VectorBuffers<Items> =>
  vector as unknown as VectorBuffers<Items>

/** Calls `onNull` for every null row of `vector`; costs nothing where there is none. */
export function eachNull(vector: DuckDBVector, onNull: (row: number) => void): void {
  const { data } = buffersOf<unknown>(vector).validity
  if (!data) return
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length * 2)
  for (let row = 0; row < vector.itemCount; row++) {
    if ((words[row >>> 5]! & (1 << (row & 31))) === 0) onNull(row)
  }
}

/** Called for a value that the column cannot hold; it throws. */
export type OnUnfit = (row: number, value: number) => never

const TWO_32 = 2 ** 32
const MAX_EXACT = 2 ** 53
const MAX_INT32 = 2 ** 31 - 1

/** Collects the rows of a vector that are null. */
class NullMask {
  #words: Uint32Array | undefined
  readonly #length: number

  constructor(length: number) {
    this.#length = length
  }

  add(row: number): void {
    this.#words ??= new Uint32Array(Math.ceil(this.#length / 64) * 2).fill(0xffffffff)
    this.#words[row >>> 5]! &= ~(1 << (row & 31))
  }

  /** Writes mask and values through to DuckDB. */
  flush(vector: DuckDBVector): void {
    buffersOf(vector).validity.data = this.#words ? new BigUint64Array(this.#words.buffer) : null
    vector.flush()
  }
}

/** DOUBLE from values where NaN is null. DuckDB takes them from where they are. */
export function fillDoubles(vector: DuckDBVector, values: Float64Array): void {
  const nulls = new NullMask(values.length)
  for (let row = 0; row < values.length; row++) {
    if (Number.isNaN(values[row])) nulls.add(row)
  }
  buffersOf<Float64Array>(vector).items = values
  nulls.flush(vector)
}

/** BIGINT or TIMESTAMPTZ from whole numbers within ±2^53 where NaN is null. */
export function fillWhole(vector: DuckDBVector, values: Float64Array, onUnfit: OnUnfit): void {
  const { items } = buffersOf<BigInt64Array>(vector)
  const words = new Uint32Array(items.buffer, items.byteOffset, items.length * 2) // little-endian, as DuckDB is
  const nulls = new NullMask(values.length)
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!
    if (Number.isNaN(value)) {
      nulls.add(row)
      continue
    }
    if (value !== Math.floor(value) || Math.abs(value) > MAX_EXACT) onUnfit(row, value)
    const high = Math.floor(value / TWO_32)
    words[2 * row] = value - high * TWO_32
    words[2 * row + 1] = high
  }
  nulls.flush(vector)
}

/** DATE from days since the epoch where NaN is null. */
export function fillDates(vector: DuckDBVector, values: Float64Array, onUnfit: OnUnfit): void {
  const { items } = buffersOf<Int32Array>(vector)
  const nulls = new NullMask(values.length)
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!
    if (Number.isNaN(value)) nulls.add(row)
    else if (value !== Math.floor(value) || Math.abs(value) >= MAX_INT32) onUnfit(row, value)
    items[row] = value
  }
  nulls.flush(vector)
}

/** BIGINT from exact nanoseconds where {@link NS_NULL} is null. */
export function fillNanoseconds(vector: DuckDBVector, values: BigInt64Array): void {
  const nulls = new NullMask(values.length)
  for (let row = 0; row < values.length; row++) {
    if (values[row] === NS_NULL) nulls.add(row)
  }
  buffersOf<BigInt64Array>(vector).items = values
  nulls.flush(vector)
}

/** VARCHAR from rows [from, to) of `column`; rows equal to `omitted` are left null. */
export function fillStrings(
  vector: DuckDBVector,
  column: StringColumn,
  [from, to]: readonly [number, number],
  omitted?: string,
): void {
  const nulls = new NullMask(to - from)
  buffersOf(vector).validity.data = null
  for (let row = from; row < to; row++) {
    const code = column.codes[row]!
    const value = code < 0 ? undefined : column.dictionary[code]
    if (value === undefined || value === omitted) nulls.add(row - from)
    else vector.setItem(row - from, value)
  }
  nulls.flush(vector)
}

/** INTEGER[] from rows [from, to) of `column`; an empty list is null. */
export function fillLists(
  vector: DuckDBVector,
  column: ListColumn,
  [from, to]: readonly [number, number],
  { listValue }: DuckDbModule,
): void {
  for (let row = from; row < to; row++) {
    const [start, end] = [column.offsets[row]!, column.offsets[row + 1]!]
    vector.setItem(
      row - from,
      start === end ? null : listValue(Array.from(column.values.subarray(start, end))),
    )
  }
  vector.flush()
}
