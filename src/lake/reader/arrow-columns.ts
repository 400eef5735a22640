import type { DuckDBType, DuckDBValue, DuckDBVector } from '@duckdb/node-api'
import type * as Arrow from 'apache-arrow'
import type { DuckDbModule } from '../engines/duckdb-instance.ts'
import { buffersOf, eachNull } from '../engines/duckdb-vectors.ts'
import type { CellWriter } from './cells.ts'

export interface ArrowContext {
  readonly arrow: typeof Arrow
  readonly duckdb: DuckDbModule
  readonly cells: CellWriter
}

/** How a column of a result becomes an Arrow column. */
export interface ArrowColumn {
  readonly type: Arrow.DataType
  /** The values of `vectors`, one after the other. */
  data(vectors: readonly DuckDBVector[]): Arrow.Data
}

type FixedArray = ArrayLike<number> | ArrayLike<bigint>
interface FixedArrayConstructor {
  new (length: number): FixedArray & { set(values: FixedArray, offset: number): void }
}

/**
 * The Arrow column for values of `type`. Instants with a zone are timestamp[us, UTC]; HUGEINT (what sum() of integers
 * gives) and DECIMAL are decimal128; a type without a plain counterpart is text, as in CSV.
 */
export function arrowColumn(context: ArrowContext, type: DuckDBType): ArrowColumn {
  const { arrow, duckdb } = context
  const { DuckDBTypeId } = duckdb
  const fixed = fixedWidth(context, type)
  if (fixed) return { type: fixed[0], data: (vectors) => fixedData(arrow, fixed, vectors) }
  switch (type.typeId) {
    case DuckDBTypeId.HUGEINT:
      return decimalColumn(context, 38, 0)
    case DuckDBTypeId.DECIMAL: {
      const { width, scale } = type
      return decimalColumn(context, width, scale)
    }
    case DuckDBTypeId.BOOLEAN:
      return builtColumn(context, new arrow.Bool(), (value) => value)
    case DuckDBTypeId.LIST: {
      const element = fixedWidth(context, type.valueType)
      if (element && plainElement(duckdb, type.valueType)) return listColumn(context, element[0])
    }
  }
  return builtColumn(context, new arrow.Utf8(), (value) =>
    value === null ? null : context.cells.text(value),
  )
}

/** Arrow type and array of values that have the same bytes in DuckDB and in Arrow. */
function fixedWidth(
  { arrow, duckdb: { DuckDBTypeId: id } }: ArrowContext,
  { typeId }: DuckDBType,
): readonly [Arrow.DataType, FixedArrayConstructor] | undefined {
  const types = new Map<number, readonly [Arrow.DataType, FixedArrayConstructor]>([
    [id.TINYINT, [new arrow.Int8(), Int8Array]],
    [id.SMALLINT, [new arrow.Int16(), Int16Array]],
    [id.INTEGER, [new arrow.Int32(), Int32Array]],
    [id.BIGINT, [new arrow.Int64(), BigInt64Array]],
    [id.UTINYINT, [new arrow.Uint8(), Uint8Array]],
    [id.USMALLINT, [new arrow.Uint16(), Uint16Array]],
    [id.UINTEGER, [new arrow.Uint32(), Uint32Array]],
    [id.UBIGINT, [new arrow.Uint64(), BigUint64Array]],
    [id.FLOAT, [new arrow.Float32(), Float32Array]],
    [id.DOUBLE, [new arrow.Float64(), Float64Array]],
    [id.DATE, [new arrow.DateDay(), Int32Array]],
    [id.TIMESTAMP_TZ, [new arrow.TimestampMicrosecond('UTC'), BigInt64Array]],
    [id.TIMESTAMP, [new arrow.TimestampMicrosecond(), BigInt64Array]],
    [id.TIMESTAMP_S, [new arrow.TimestampSecond(), BigInt64Array]],
    [id.TIMESTAMP_MS, [new arrow.TimestampMillisecond(), BigInt64Array]],
    [id.TIMESTAMP_NS, [new arrow.TimestampNanosecond(), BigInt64Array]],
  ])
  return types.get(typeId)
}

function fixedData(
  arrow: typeof Arrow,
  [type, FixedArray]: readonly [Arrow.DataType, FixedArrayConstructor],
  vectors: readonly DuckDBVector[],
): Arrow.Data {
  const values = new FixedArray(countOf(vectors))
  const nulls = new NullBitmap(values.length)
  let at = 0
  for (const vector of vectors) {
    values.set(buffersOf<FixedArray>(vector).items, at)
    eachNull(vector, (row) => nulls.add(at + row))
    at += vector.itemCount
  }
  return arrow.makeData({ type, length: values.length, data: values, ...nulls.properties } as never)
}

function decimalColumn({ arrow, duckdb }: ArrowContext, precision: number, scale: number): ArrowColumn {
  const type = new arrow.Decimal(scale, precision, 128)
  const unscaled = (value: DuckDBValue): bigint =>
    value instanceof duckdb.DuckDBDecimalValue ? value.value : (value as bigint)
  return {
    type,
    data: (vectors) => {
      const halves = new BigInt64Array(2 * countOf(vectors)) // low, high: little-endian as Arrow's
      const nulls = new NullBitmap(halves.length / 2)
      eachValue(vectors, (value, row) => {
        if (value === null) return nulls.add(row)
        halves[2 * row] = BigInt.asIntN(64, unscaled(value))
        halves[2 * row + 1] = unscaled(value) >> 64n
      })
      const data = new Uint32Array(halves.buffer)
      return arrow.makeData({ type, length: halves.length / 2, data, ...nulls.properties })
    },
  }
}

/** Elements whose values Arrow's builder takes as DuckDB gives them. */
const plainElement = ({ DuckDBTypeId: id }: DuckDbModule, { typeId }: DuckDBType): boolean =>
  [id.TINYINT, id.SMALLINT, id.INTEGER, id.BIGINT, id.FLOAT, id.DOUBLE].includes(typeId)

function listColumn(context: ArrowContext, element: Arrow.DataType): ArrowColumn {
  const { arrow, duckdb } = context
  const type = new arrow.List(new arrow.Field('item', element, true))
  return builtColumn(context, type, (value) => (value instanceof duckdb.DuckDBListValue ? value.items : null))
}

/** A column through Arrow's own builder: slower, for types whose bytes differ. */
function builtColumn(
  { arrow }: ArrowContext,
  type: Arrow.DataType,
  convert: (value: DuckDBValue) => unknown,
): ArrowColumn {
  return {
    type,
    data: (vectors) => {
      const builder = arrow.makeBuilder({ type, nullValues: [null] })
      eachValue(vectors, (value) => builder.append(convert(value)))
      return builder.finish().flush()
    },
  }
}

function eachValue(vectors: readonly DuckDBVector[], visit: (value: DuckDBValue, row: number) => void): void {
  let at = 0
  for (const vector of vectors) {
    for (let row = 0; row < vector.itemCount; row++) visit(vector.getItem(row), at + row)
    at += vector.itemCount
  }
}

const countOf = (vectors: readonly DuckDBVector[]): number =>
  vectors.reduce((count, vector) => count + vector.itemCount, 0)

/** Arrow's mask of values: a bit is set where there is one. */
class NullBitmap {
  readonly #bits: Uint8Array
  #count = 0

  constructor(length: number) {
    this.#bits = new Uint8Array(Math.ceil(length / 8)).fill(0xff)
  }

  add(row: number): void {
    this.#bits[row >>> 3]! &= ~(1 << (row & 7))
    this.#count++
  }

  get properties(): { nullCount: number; nullBitmap: Uint8Array | null } {
    return { nullCount: this.#count, nullBitmap: this.#count === 0 ? null : this.#bits }
  }
}
