import { UsageError } from '../../core/errors.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../market/dataset.ts'
import { sqlIdentifier, sqlString } from '../engines/sql-text.ts'

/** Names that files give to a column besides its own; the first one met counts. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  timestamp: ['window_start', 't', 'sip_timestamp', 'sip_timestamp_ns'],
  open: ['o'],
  high: ['h'],
  low: ['l'],
  close: ['c'],
  volume: ['v'],
  vwap: ['vw'],
  trade_count: ['transactions', 'n'],
  sip_timestamp_ns: ['sip_timestamp'],
  participant_timestamp_ns: ['participant_timestamp'],
  trf_timestamp_ns: ['trf_timestamp'],
}

/** Columns in which the vendor's day files write 0 where its REST answers have nothing. */
const ZERO_IS_NULL: ReadonlySet<string> = new Set(['participant_timestamp_ns', 'trf_timestamp_ns', 'trf_id'])

/** Which column of a file each column of a dataset comes from; those not named here are null. */
export interface ColumnMapping {
  readonly columns: ReadonlyMap<string, string>
  /** Columns of the file that nothing was taken from. */
  readonly ignored: readonly string[]
}

/**
 * Maps the columns `names` of a file to `dataset`.
 *
 * @param hasTicker whether the ticker is known from elsewhere
 * @throws {UsageError} when a column that must not be null has none
 */
export function mapColumns(
  dataset: DatasetDefinition,
  names: readonly string[],
  hasTicker: boolean,
  path: string,
): ColumnMapping {
  const columns = new Map<string, string>()
  for (const { name, nullable } of dataset.columns) {
    const found = sourceOf(name, names)
    if (found !== undefined) columns.set(name, found)
    else if (!nullable && !(name === 'ticker' && hasTicker)) throw missingColumn(path, dataset, name)
  }
  const used = new Set(columns.values())
  return { columns, ignored: names.filter((name) => !used.has(name)) }
}

const sourceOf = (column: string, names: readonly string[]): string | undefined =>
  [column, ...(ALIASES[column] ?? [])].find((name) => names.includes(name))

function missingColumn(path: string, { name: dataset }: DatasetDefinition, column: string): UsageError {
  const accepted = [column, ...(ALIASES[column] ?? [])].join(' or ')
  const hint = column === 'ticker' ? 'Name it with --ticker, or choose another --dataset.' : undefined
  return new UsageError(`${path}: ${dataset} needs a column ${accepted}, and the file has none`, {
    hint: hint ?? 'Choose another --dataset; the columns of each are in tapelake datasets.',
  })
}

/** Datasets that the columns of a file may belong to: a kind of rows, of which the times tell the rest. */
export type RowKind = 'bars' | 'trades' | 'quotes'

/** The kind of rows that have columns called `names`; undefined where none fits. */
export function rowKindOf(names: readonly string[]): RowKind | undefined {
  const has = (...columns: readonly string[]): boolean =>
    columns.every((column) => sourceOf(column, names) !== undefined)
  if (has('timestamp', 'open', 'high', 'low', 'close')) return 'bars'
  if (has('sip_timestamp_ns', 'price', 'size')) return 'trades'
  return has('sip_timestamp_ns', 'bid_price', 'ask_price') ? 'quotes' : undefined
}

/** How a CSV column is read: numbers at once, so that DuckDB names the line of what is none; the rest as text. */
export function csvType(column: string, dataset: DatasetDefinition, { columns }: ColumnMapping): string {
  const target = dataset.columns.find(({ name }) => columns.get(name) === column && name !== 'timestamp')
  if (column === 'window_start' || target?.type === 'ns') return 'BIGINT'
  return target?.type === 'double' || target?.type === 'int64' ? 'DOUBLE' : 'VARCHAR'
}

/** The value of a column as SQL; null where the file's value is none. */
export interface ColumnValue {
  readonly column: ColumnDefinition
  /** Its name in the file; undefined: constant. */
  readonly source: string | undefined
  /**
   * Of the type in which {@link STAGED_TYPES} has the column. Counts are doubles here, so that validation can refuse
   * those that are too large or not whole; instants are whole microseconds.
   */
  readonly sql: string
}

export const STAGED_TYPES = {
  timestamp: 'BIGINT',
  date: 'DATE',
  double: 'DOUBLE',
  int64: 'DOUBLE',
  ns: 'BIGINT',
  string: 'VARCHAR',
  int_list: 'INTEGER[]',
} as const

/**
 * @param types SQL type of each column of the file
 * @param ticker the ticker where the file has no column of it
 */
export function columnValues(
  dataset: DatasetDefinition,
  { columns }: ColumnMapping,
  types: ReadonlyMap<string, string>,
  ticker: string | undefined,
): ColumnValue[] {
  return dataset.columns.map((column) => {
    const source = columns.get(column.name)
    if (source !== undefined) return { column, source, sql: valueSql(column, source, types.get(source)!) }
    const constant = column.name === 'ticker' && ticker !== undefined ? sqlString(ticker) : 'NULL'
    return { column, source, sql: `CAST(${constant} AS ${STAGED_TYPES[column.type]})` }
  })
}

function valueSql({ name, type }: ColumnDefinition, source: string, from: string): string {
  const raw = sqlIdentifier(source)
  const value = ZERO_IS_NULL.has(name) ? `nullif(${raw}, 0)` : raw
  switch (type) {
    case 'timestamp':
      return instantSql(value, from, 1_000_000n)
    case 'ns':
      return instantSql(value, from, 1_000_000_000n)
    case 'int_list':
      return from === 'VARCHAR' ? listSql(value) : `TRY_CAST(${value} AS INTEGER[])`
    default:
      return `TRY_CAST(${value} AS ${STAGED_TYPES[type]})`
  }
}

/** Up to these amounts a count of time units is in seconds, milliseconds, microseconds; above, in nanoseconds. */
const UNITS = [
  [10n ** 11n, 1n],
  [10n ** 14n, 10n ** 3n],
  [10n ** 17n, 10n ** 6n],
] as const
const NS_PER_S = 10n ** 9n

/** An instant, however it is written, as a count of which `perSecond` make a second; rounded down. */
function instantSql(value: string, from: string, perSecond: bigint): string {
  const cents = perSecond === NS_PER_S
  if (from.startsWith('TIMESTAMP') || from === 'DATE') {
    return cents ? `epoch_ns(CAST(${value} AS TIMESTAMP_NS))` : `epoch_us(CAST(${value} AS TIMESTAMPTZ))`
  }
  if (from !== 'VARCHAR') return scaledSql(`TRY_CAST(${value} AS BIGINT)`, perSecond)
  const count = scaledSql(`TRY_CAST(${value} AS BIGINT)`, perSecond)
  const zoned = `regexp_matches(${value}, '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$')`
  const text = `CASE WHEN ${zoned} THEN epoch_us(TRY_CAST(${value} AS TIMESTAMPTZ))${cents ? ' * 1000' : ''} END`
  return `CASE WHEN regexp_full_match(${value}, '-?[0-9]+') THEN ${count} ELSE ${text} END`
}

function scaledSql(count: string, perSecond: bigint): string {
  const scaled = (unitsPerSecond: bigint): string =>
    unitsPerSecond <= perSecond
      ? `${count} * ${perSecond / unitsPerSecond}`
      : `${count} // ${unitsPerSecond / perSecond}`
  const cases = UNITS.map(([below, unit]) => `WHEN abs(${count}) < ${below} THEN ${scaled(unit)}`)
  return `CASE ${cases.join(' ')} ELSE ${scaled(NS_PER_S)} END`
}

/** `12,37` and `[12, 37]`; one that is no list of whole numbers is null. */
function listSql(value: string): string {
  const bare = `regexp_replace(${value}, '[\\[\\]\\s]', '', 'g')`
  const isList = `regexp_full_match(${bare}, '-?[0-9]+(,-?[0-9]+)*')`
  return `CASE WHEN ${isList} THEN TRY_CAST(string_split(${bare}, ',') AS INTEGER[]) END`
}
