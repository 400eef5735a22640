import type { DuckDBValue } from '@duckdb/node-api'
import type { DuckDbModule } from '../engines/duckdb-instance.ts'
import { isoDate, isoInstant } from './instant.ts'

/** Turns values of a result into text. Null is left to the caller. */
export interface CellWriter {
  /** As people and CSV readers want it: numbers exact, instants ISO 8601 in UTC, lists and structs as JSON. */
  text(value: NonNullable<DuckDBValue>): string
  /** As JSON: integers of any size as digits, NaN and infinities as null, everything without a JSON type as text. */
  json(value: DuckDBValue): string
}

const MICROS = 1_000_000n

export function cellWriter(duckdb: DuckDbModule): CellWriter {
  const text = (value: NonNullable<DuckDBValue>): string => {
    if (typeof value !== 'object') return String(value)
    return temporalText(duckdb, value) ?? nestedJson(duckdb, value, json) ?? value.toString()
  }
  const json = (value: DuckDBValue): string => {
    if (value === null) return 'null'
    if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
    if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
    if (typeof value === 'string') return JSON.stringify(value)
    if (value instanceof duckdb.DuckDBDecimalValue) return value.toString()
    return nestedJson(duckdb, value, json) ?? JSON.stringify(text(value))
  }
  return { text, json }
}

/** Undefined where `value` is no date or instant that JavaScript's calendar reaches. */
function temporalText(duckdb: DuckDbModule, value: object): string | undefined {
  try {
    if (value instanceof duckdb.DuckDBTimestampTZValue) return isoInstant(value.micros, MICROS, 'Z')
    if (value instanceof duckdb.DuckDBDateValue) return isoDate(value.days)
    if (value instanceof duckdb.DuckDBTimestampValue) return isoInstant(value.micros, MICROS, '')
    if (value instanceof duckdb.DuckDBTimestampNanosecondsValue)
      return isoInstant(value.nanos, 1_000_000_000n, '')
    if (value instanceof duckdb.DuckDBTimestampMillisecondsValue) return isoInstant(value.millis, 1000n, '')
    if (value instanceof duckdb.DuckDBTimestampSecondsValue) return isoInstant(value.seconds, 1n, '')
  } catch (error) {
    if (!(error instanceof RangeError)) throw error // 'infinity', or a year beyond 275760: DuckDB's own words
  }
  return undefined
}

/** Undefined where `value` has no parts. */
function nestedJson(
  duckdb: DuckDbModule,
  value: object,
  json: (value: DuckDBValue) => string,
): string | undefined {
  if (value instanceof duckdb.DuckDBListValue || value instanceof duckdb.DuckDBArrayValue) {
    return `[${value.items.map(json).join(',')}]`
  }
  if (value instanceof duckdb.DuckDBStructValue) {
    return `{${Object.entries(value.entries)
      .map(([name, part]) => `${JSON.stringify(name)}:${json(part)}`)
      .join(',')}}`
  }
  if (value instanceof duckdb.DuckDBMapValue) {
    return `[${value.entries.map(({ key, value: part }) => `{"key":${json(key)},"value":${json(part)}}`).join(',')}]`
  }
  return value instanceof duckdb.DuckDBUnionValue ? json(value.value) : undefined
}
