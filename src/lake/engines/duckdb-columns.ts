import type { DuckDBType, DuckDBVector } from '@duckdb/node-api'
import type { Batch, ColumnType, ListColumn, StringColumn } from '../../core/batch.ts'
import { SchemaError } from '../../core/errors.ts'
import type { ColumnDefinition } from '../../market/dataset.ts'
import type { DuckDbModule } from './duckdb-instance.ts'
import {
  fillDates,
  fillDoubles,
  fillLists,
  fillNanoseconds,
  fillStrings,
  fillWhole,
  type OnUnfit,
} from './duckdb-vectors.ts'
import { sqlIdentifier } from './sql-text.ts'

/** The SQL type of each column type: in tables, in views and, translated, in Parquet. */
export const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  timestamp: 'TIMESTAMP WITH TIME ZONE',
  date: 'DATE',
  double: 'DOUBLE',
  int64: 'BIGINT',
  ns: 'BIGINT',
  string: 'VARCHAR',
  int_list: 'INTEGER[]',
}

/** True when values of SQL type `found` are read as the column's own; parquetjs-lite leaves the UTC flag out. */
export const isHeldAs = (type: ColumnType, found: string): boolean =>
  found === SQL_TYPES[type] || (type === 'timestamp' && found === 'TIMESTAMP')

/** The vector type of each column type. */
export function vectorType(duckdb: DuckDbModule, type: ColumnType): DuckDBType {
  switch (type) {
    case 'timestamp':
      return duckdb.TIMESTAMPTZ
    case 'date':
      return duckdb.DATE
    case 'double':
      return duckdb.DOUBLE
    case 'int64':
    case 'ns':
      return duckdb.BIGINT
    case 'string':
      return duckdb.VARCHAR
    case 'int_list':
      return duckdb.LIST(duckdb.INTEGER)
  }
}

/**
 * `columns` as SELECT expressions of their own SQL types. A file of parquetjs-lite has timestamps without the UTC
 * flag; read in a UTC session, the cast makes them the same instants as every other file's.
 */
export const selectTyped = (columns: readonly ColumnDefinition[]): string =>
  columns.map((column) => `${typed(column)} AS ${sqlIdentifier(column.name)}`).join(', ')

/** A column as SQL expression of its own type. */
export const typed = ({ name, type }: ColumnDefinition): string =>
  `${sqlIdentifier(name)}::${SQL_TYPES[type]}`

/** A column as SQL expression, instants (microseconds since the epoch) and whole numbers as DOUBLE. */
export function selectDoubles(column: ColumnDefinition): string {
  if (column.type === 'timestamp') return `epoch_us(${typed(column)})::DOUBLE`
  return column.type === 'int64' ? `${typed(column)}::DOUBLE` : typed(column)
}

/** Rows [from, to) of one column, for one vector. */
export interface ColumnSlice {
  readonly batch: Batch
  readonly column: ColumnDefinition
  readonly from: number
  readonly to: number
  /** A string that is left null: the segment's SELECT puts it back. */
  readonly omitted?: string | undefined
}

/** @throws {SchemaError} when a value is not a whole number where the column holds those, or out of its range */
export function fillColumn(duckdb: DuckDbModule, vector: DuckDBVector, slice: ColumnSlice): void {
  const { batch, column, from, to, omitted } = slice
  const data = batch.columns[column.name]!
  const onUnfit: OnUnfit = (row, value) => {
    throw new SchemaError(
      `${batch.dataset}.${column.name}: ${value} in row ${from + row} is no ${column.type}`,
    )
  }
  switch (column.type) {
    case 'double':
      return fillDoubles(vector, (data as Float64Array).subarray(from, to))
    case 'timestamp':
    case 'int64':
      return fillWhole(vector, (data as Float64Array).subarray(from, to), onUnfit)
    case 'date':
      return fillDates(vector, (data as Float64Array).subarray(from, to), onUnfit)
    case 'ns':
      return fillNanoseconds(vector, (data as BigInt64Array).subarray(from, to))
    case 'string':
      return fillStrings(vector, data as StringColumn, [from, to], omitted)
    case 'int_list':
      return fillLists(vector, data as ListColumn, [from, to], duckdb)
  }
}
