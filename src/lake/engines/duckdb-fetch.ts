import type { DuckDBDataChunk, DuckDBListVector, DuckDBVector } from '@duckdb/node-api'
import { NS_NULL, type Batch, type ColumnData, type ColumnSchema } from '../../core/batch.ts'
import { SchemaError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import { repeats } from './duckdb-compare.ts'
import { buffersOf, eachNull } from './duckdb-vectors.ts'

/**
 * Gathers DuckDB's chunks (at most 2,048 rows each) into one batch, straight from the buffers of their vectors.
 * The result columns must be those of `dataset`, in its order and of its SQL types.
 */
export class BatchBuilder {
  readonly #dataset: DatasetDefinition
  readonly #maxRows: number
  readonly #chunks: DuckDBDataChunk[] = []
  #length = 0

  constructor(dataset: DatasetDefinition, maxRows: number) {
    this.#dataset = dataset
    this.#maxRows = maxRows
  }

  get length(): number {
    return this.#length
  }

  /** True when a chunk of `rows` more rows fits. */
  hasRoomFor(rows: number): boolean {
    return this.#length + rows <= this.#maxRows
  }

  add(chunk: DuckDBDataChunk): void {
    this.#chunks.push(chunk)
    this.#length += chunk.rowCount
  }

  /** The rows so far as a batch: only now is their number known, and columns made for exactly so many. */
  build(): Batch {
    const columns: Record<string, ColumnData> = {}
    const schema: ColumnSchema[] = []
    this.#dataset.columns.forEach((column, i) => {
      const { name, type } = column
      schema.push({ name, type })
      columns[name] = this.#buildColumn(column, i)
    })
    return { dataset: this.#dataset.name, length: this.#length, schema, columns }
  }

  #buildColumn(column: ColumnSchema, index: number): ColumnData {
    const builder = columnBuilder(column, this.#length)
    let at = 0
    for (const chunk of this.#chunks) {
      builder.add(chunk.getColumnVector(index), at)
      at += chunk.rowCount
    }
    return builder.build(this.#length)
  }
}

interface ColumnBuilder {
  /** Takes all values of `vector` as rows from `at` on. */
  add(vector: DuckDBVector, at: number): void
  build(length: number): ColumnData
}

function columnBuilder({ name, type }: ColumnSchema, maxRows: number): ColumnBuilder {
  switch (type) {
    case 'double':
      return new NumberBuilder(maxRows, (vector) => buffersOf<Float64Array>(vector).items)
    case 'date':
      return new NumberBuilder(maxRows, (vector) => buffersOf<Int32Array>(vector).items)
    case 'timestamp':
    case 'int64':
      return new WholeBuilder(maxRows, name)
    case 'ns':
      return new NanosecondBuilder(maxRows)
    case 'string':
      return new StringBuilder(maxRows)
    case 'int_list':
      return new ListBuilder(maxRows)
  }
}

class NumberBuilder implements ColumnBuilder {
  readonly #values: Float64Array
  readonly #items: (vector: DuckDBVector) => Float64Array | Int32Array

  constructor(maxRows: number, items: (vector: DuckDBVector) => Float64Array | Int32Array) {
    this.#values = new Float64Array(maxRows)
    this.#items = items
  }

  add(vector: DuckDBVector, at: number): void {
    this.#values.set(this.#items(vector), at)
    eachNull(vector, (row) => (this.#values[at + row] = NaN))
  }

  build(length: number): Float64Array {
    return this.#values.subarray(0, length)
  }
}

const TWO_32 = 2 ** 32
const MAX_EXACT = 2 ** 53

class WholeBuilder implements ColumnBuilder {
  readonly #values: Float64Array
  readonly #name: string

  constructor(maxRows: number, name: string) {
    this.#values = new Float64Array(maxRows)
    this.#name = name
  }

  add(vector: DuckDBVector, at: number): void {
    const { items } = buffersOf<BigInt64Array>(vector)
    const low = new Uint32Array(items.buffer, items.byteOffset, items.length * 2) // little-endian, as DuckDB is
    const high = new Int32Array(items.buffer, items.byteOffset, items.length * 2)
    for (let row = 0; row < items.length; row++) {
      this.#values[at + row] = high[2 * row + 1]! * TWO_32 + low[2 * row]!
    }
    eachNull(vector, (row) => (this.#values[at + row] = NaN))
    for (let row = at; row < at + items.length; row++) {
      if (Math.abs(this.#values[row]!) > MAX_EXACT) {
        throw new SchemaError(`${this.#name}: ${items[row - at]} is beyond ±2^53 and cannot be held exactly`)
      }
    }
  }

  build(length: number): Float64Array {
    return this.#values.subarray(0, length)
  }
}

class NanosecondBuilder implements ColumnBuilder {
  readonly #values: BigInt64Array

  constructor(maxRows: number) {
    this.#values = new BigInt64Array(maxRows)
  }

  add(vector: DuckDBVector, at: number): void {
    this.#values.set(buffersOf<BigInt64Array>(vector).items, at)
    eachNull(vector, (row) => (this.#values[at + row] = NS_NULL))
  }

  build(length: number): BigInt64Array {
    return this.#values.subarray(0, length)
  }
}

class StringBuilder implements ColumnBuilder {
  readonly #codes: Int32Array
  readonly #dictionary: string[] = []
  readonly #codeOf = new Map<string, number>()

  constructor(maxRows: number) {
    this.#codes = new Int32Array(maxRows)
  }

  /** A value is 16 bytes: length, then text or prefix and pointer. Where they repeat, so does the text. */
  add(vector: DuckDBVector, at: number): void {
    const { dataView } = vector as unknown as { readonly dataView: DataView }
    const words = new Int32Array(dataView.buffer, dataView.byteOffset, vector.itemCount * 4)
    let code = -1
    for (let row = 0; row < vector.itemCount; row++) {
      if (code < 0 || !repeats(words, row)) code = this.#code(vector.getItem(row)) // a null's bytes mean nothing
      this.#codes[at + row] = code
    }
    eachNull(vector, (row) => (this.#codes[at + row] = -1))
  }

  #code(item: unknown): number {
    if (typeof item !== 'string') return -1
    let code = this.#codeOf.get(item)
    if (code === undefined) {
      code = this.#dictionary.push(item) - 1
      this.#codeOf.set(item, code)
    }
    return code
  }

  build(length: number): { codes: Int32Array; dictionary: readonly string[] } {
    return { codes: this.#codes.subarray(0, length), dictionary: this.#dictionary }
  }
}

class ListBuilder implements ColumnBuilder {
  readonly #offsets: Uint32Array
  #values = new Int32Array(1024)
  #used = 0

  constructor(maxRows: number) {
    this.#offsets = new Uint32Array(maxRows + 1)
  }

  add(vector: DuckDBVector, at: number): void {
    const list = vector as DuckDBListVector
    const { items } = buffersOf<Int32Array>(list.childVector)
    this.#reserve(items.length)
    const nulls = new Set<number>()
    eachNull(vector, (row) => nulls.add(row))
    for (let row = 0; row < list.itemCount; row++) {
      if (!nulls.has(row)) {
        const start = list.getEntryOffset(row)
        const length = list.getEntryLength(row)
        this.#reserve(length)
        this.#values.set(items.subarray(start, start + length), this.#used)
        this.#used += length
      }
      this.#offsets[at + row + 1] = this.#used
    }
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#values.length) return
    const grown = new Int32Array(Math.max(this.#used + more, 2 * this.#values.length))
    grown.set(this.#values.subarray(0, this.#used))
    this.#values = grown
  }

  build(length: number): { offsets: Uint32Array; values: Int32Array } {
    return { offsets: this.#offsets.subarray(0, length + 1), values: this.#values.subarray(0, this.#used) }
  }
}
