import { SchemaError } from './errors.ts'

/**
 * Rows of one dataset as columns. A batch is immutable once handed on: stages build new ones.
 *
 * How each column type is held in memory:
 * - `timestamp`  Float64Array, microseconds since the Unix epoch, UTC; exact until the year 2255; NaN = null
 * - `date`       Float64Array, days since the Unix epoch; NaN = null
 * - `double`     Float64Array; NaN = null
 * - `int64`      Float64Array of whole numbers within ±2^53 (counts, ids); NaN = null
 * - `ns`         BigInt64Array, nanoseconds since the Unix epoch, UTC, exact; {@link NS_NULL} = null
 * - `string`     {@link StringColumn}: Int32Array codes into a dictionary; -1 = null
 * - `int_list`   {@link ListColumn}: offsets and values; an empty list = null
 */
export type ColumnType = 'timestamp' | 'date' | 'double' | 'int64' | 'ns' | 'string' | 'int_list'

/** The value of an `ns` column that means null: no real instant lies there (the year 1677). */
export const NS_NULL = -(2n ** 63n)

export interface StringColumn {
  /** Index into `dictionary` per row; -1 = null. */
  readonly codes: Int32Array
  /** Values; need not be distinct or all used. */
  readonly dictionary: readonly string[]
}

export interface ListColumn {
  /** `length + 1` entries; row i holds values[offsets[i] … offsets[i+1]). */
  readonly offsets: Uint32Array
  readonly values: Int32Array
}

export interface ColumnTypes {
  timestamp: Float64Array
  date: Float64Array
  double: Float64Array
  int64: Float64Array
  ns: BigInt64Array
  string: StringColumn
  int_list: ListColumn
}
export type ColumnData = ColumnTypes[ColumnType]

export interface ColumnSchema {
  readonly name: string
  readonly type: ColumnType
}

/** Where a batch came from; it travels into the segment's metadata, the ledger and quarantine. */
export interface Origin {
  /** `polygon`, `simulator`, … */
  readonly source: string
  /** Path and query of the vendor request, without the key. */
  readonly request: string
  readonly requestId?: string
}

export interface Batch {
  /** Name of the dataset. */
  readonly dataset: string
  readonly length: number
  readonly schema: readonly ColumnSchema[]
  readonly columns: Readonly<Record<string, ColumnData>>
  readonly origin?: Origin
  /** The JSON text of a row exactly as the source sent it, where that is still at hand. It keeps the answer alive. */
  readonly sentText?: (row: number) => string
  /** Why none of its rows is to be trusted, where that is so: validation refuses them all. */
  readonly distrusted?: string
}

/**
 * The column `name` of `batch`, typed.
 *
 * @throws {SchemaError} when it is missing or of another type
 */
export function requireColumn<T extends ColumnType>(batch: Batch, name: string, type: T): ColumnTypes[T] {
  const schema = batch.schema.find((column) => column.name === name)
  if (!schema) throw new SchemaError(`${batch.dataset}.${name}: column is missing`)
  if (schema.type !== type)
    throw new SchemaError(`${batch.dataset}.${name}: expected ${type}, found ${schema.type}`)
  return batch.columns[name] as ColumnTypes[T]
}

/** A string column that holds the same value in every row. */
export function constantString(value: string, length: number): StringColumn {
  return { codes: new Int32Array(length), dictionary: [value] }
}

/** A string column from values; null and undefined are null. */
export function stringColumn(values: readonly (string | null | undefined)[]): StringColumn {
  const codes = new Int32Array(values.length)
  const dictionary: string[] = []
  const seen = new Map<string, number>()
  values.forEach((value, row) => {
    if (value == null) {
      codes[row] = -1
      return
    }
    let code = seen.get(value)
    if (code === undefined) {
      code = dictionary.push(value) - 1
      seen.set(value, code)
    }
    codes[row] = code
  })
  return { codes, dictionary }
}

/** The string in `row`, or null. */
export function stringAt(column: StringColumn, row: number): string | null {
  const code = column.codes[row] ?? -1
  return code < 0 ? null : (column.dictionary[code] ?? null)
}

/** The rows `rows` (indices, any order) of `batch`, as a new batch. */
export function takeRows(batch: Batch, rows: ArrayLike<number>): Batch {
  const columns: Record<string, ColumnData> = {}
  for (const { name, type } of batch.schema) {
    columns[name] = takeColumn(type, batch.columns[name]!, rows)
  }
  return { ...batch, length: rows.length, columns, ...sentTexts(batch, (row) => rows[row]!) }
}

function sentTexts({ sentText }: Batch, rowOf: (row: number) => number): Pick<Batch, 'sentText'> {
  return sentText ? { sentText: (row) => sentText(rowOf(row)) } : {}
}

/** `batch` without its texts as sent, for those who keep it: the answers that they stand in can be freed. */
export function withoutSentText(batch: Batch): Batch {
  if (!batch.sentText) return batch
  const { sentText: _, ...rest } = batch
  return rest
}

function takeColumn(type: ColumnType, data: ColumnData, rows: ArrayLike<number>): ColumnData {
  const length = rows.length
  if (type === 'string') {
    const { codes, dictionary } = data as StringColumn
    const out = new Int32Array(length)
    for (let i = 0; i < length; i++) out[i] = codes[rows[i]!]!
    return { codes: out, dictionary }
  }
  if (type === 'int_list') return takeList(data as ListColumn, rows)
  if (type === 'ns') {
    const values = data as BigInt64Array
    const out = new BigInt64Array(length)
    for (let i = 0; i < length; i++) out[i] = values[rows[i]!]!
    return out
  }
  const values = data as Float64Array
  const out = new Float64Array(length)
  for (let i = 0; i < length; i++) out[i] = values[rows[i]!]!
  return out
}

function takeList(list: ListColumn, rows: ArrayLike<number>): ListColumn {
  const offsets = new Uint32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    offsets[i + 1] = offsets[i]! + list.offsets[row + 1]! - list.offsets[row]!
  }
  const values = new Int32Array(offsets[rows.length]!)
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    values.set(list.values.subarray(list.offsets[row], list.offsets[row + 1]), offsets[i])
  }
  return { offsets, values }
}

/** The rows [from, to) of `batch`; numeric columns share memory with it. */
export function sliceBatch(batch: Batch, from: number, to: number): Batch {
  if (from === 0 && to === batch.length) return batch
  const columns: Record<string, ColumnData> = {}
  for (const { name, type } of batch.schema) {
    const data = batch.columns[name]!
    if (type === 'string') {
      const { codes, dictionary } = data as StringColumn
      columns[name] = { codes: codes.subarray(from, to), dictionary }
    } else if (type === 'int_list') {
      const list = data as ListColumn
      const base = list.offsets[from]!
      columns[name] = {
        offsets: list.offsets.slice(from, to + 1).map((offset) => offset - base),
        values: list.values.subarray(base, list.offsets[to]),
      }
    } else {
      columns[name] = (data as Float64Array).subarray(from, to)
    }
  }
  return { ...batch, length: to - from, columns, ...sentTexts(batch, (row) => from + row) }
}

/** One row as a plain object; for messages, quarantine and tests, never for the data path. */
export function rowAt(batch: Batch, row: number): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const { name, type } of batch.schema) out[name] = valueAt(type, batch.columns[name]!, row)
  return out
}

function valueAt(type: ColumnType, data: ColumnData, row: number): unknown {
  switch (type) {
    case 'string':
      return stringAt(data as StringColumn, row)
    case 'ns': {
      const value = (data as BigInt64Array)[row]!
      return value === NS_NULL ? null : value
    }
    case 'int_list': {
      const { offsets, values } = data as ListColumn
      const list = Array.from(values.subarray(offsets[row], offsets[row + 1]))
      return list.length > 0 ? list : null
    }
    default: {
      const value = (data as Float64Array)[row]!
      return Number.isNaN(value) ? null : value
    }
  }
}
