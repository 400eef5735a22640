import type { Batch, StringColumn } from '../../core/batch.ts'
import { kernels, kernelScratch } from '../../core/kernels/index.ts'
import type { ColumnDefinition } from '../../market/dataset.ts'
import { typed } from './duckdb-columns.ts'
import { sqlString } from './sql-text.ts'

/**
 * Rows compared by DuckDB's own hash: 64 bits over the number of the row and its values, xor over all rows. What a
 * file holds is hashed where it is decoded, what it should hold is hashed here, and one number comes back instead of
 * every cell. DuckDB does not promise that its hash stays as it is: a difference proves nothing, the cells are
 * compared then. The same hash by chance has odds of 1 to 2^64.
 *
 * Source of the formula: `MurmurHash64` and `CombineHash` of DuckDB (src/include/duckdb/common/types/hash.hpp).
 */
export interface HashedColumn {
  /** What DuckDB hashes. */
  readonly sql: string
  /** Combines the values of rows from `from` on into the hashes at `place`. */
  readonly combine: (from: number, place: Place) => void
}

/** The number of a row within its file; {@link rowHash} begins with it. */
export const ROW_NUMBER = 'file_row_number'

/** How a column is hashed; undefined where it is not: lists, and texts that differ. */
export function hashedColumn(column: ColumnDefinition, { columns }: Batch): HashedColumn | undefined {
  const data = columns[column.name]!
  const { hashDoubles, hashWhole, hashNanoseconds } = kernels()
  const sql = typed(column)
  switch (column.type) {
    case 'double':
      return { sql, combine: combiner(data as Float64Array, hashDoubles) }
    case 'timestamp':
    case 'int64':
      return { sql, combine: combiner(data as Float64Array, hashWhole) }
    case 'date':
      return { sql: `(${sql} - DATE '1970-01-01')`, combine: combiner(data as Float64Array, hashWhole) }
    case 'ns':
      return { sql, combine: combiner(data as BigInt64Array, hashNanoseconds) }
    case 'string':
      return hashedText(sql, data as StringColumn)
    case 'int_list':
      return undefined
  }
}

/** The hash of all rows of `expected`, as `bit_xor(hash(…))` of the columns' SQL gives it. */
export function rowHash({ length }: Batch, columns: readonly HashedColumn[]): bigint {
  const { hashStart, hashAll } = kernels()
  let all = 0n
  for (let from = 0; from < length; from += WINDOW_ROWS) {
    const place = placeFor(Math.min(WINDOW_ROWS, length - from))
    hashStart(place.hashes, place.rows, from)
    for (const { combine } of columns) combine(from, place)
    all ^= hashAll(place.hashes, place.rows)
  }
  return BigInt.asUintN(64, all)
}

/** Rows hashed together: their hashes and one column stay close to the processor. */
const WINDOW_ROWS = 2048

/** Where hashes of rows and values of one column stand in the kernels' memory. */
interface Place {
  readonly rows: number
  readonly hashes: number
  readonly values: number
}

function placeFor(rows: number): Place {
  const hashes = kernelScratch(WINDOW_ROWS * 16)
  return { rows, hashes, values: hashes + WINDOW_ROWS * 8 }
}

type Combine = (values: number, rows: number, hashes: number) => void

const combiner =
  (data: Float64Array | BigInt64Array, combine: Combine) =>
  (from: number, { rows, hashes, values }: Place): void => {
    const { buffer, byteOffset } = data.subarray(from, from + rows)
    new Uint8Array(kernels().memory.buffer, values, rows * 8).set(
      new Uint8Array(buffer, byteOffset, rows * 8),
    )
    combine(values, rows, hashes)
  }

/** Texts that stand in SQL as they are. */
const PLAIN_TEXT = /^[\x20-\x7e]{0,64}$/

/** Of a text that all rows have: whether they have it. */
function hashedText(sql: string, { codes, dictionary }: StringColumn): HashedColumn | undefined {
  const [text] = dictionary
  if (text === undefined || dictionary.length > 1 || !PLAIN_TEXT.test(text) || codes.includes(-1)) {
    return undefined
  }
  return {
    sql: `(${sql} IS NOT DISTINCT FROM ${sqlString(text)})::BIGINT`,
    combine: (_from, { rows, hashes }) => kernels().hashConstant(1, rows, hashes),
  }
}
