import { seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import { sessionBounds } from '../../market/session-rows.ts'
import { daysToDate } from '../../market/time.ts'
import type { LakePart } from '../as-of.ts'
import { selectTyped, SQL_TYPES } from '../engines/duckdb-columns.ts'
import { sqlIdentifier, sqlPaths } from '../engines/sql-text.ts'

/** One view: a dataset and exactly the files that hold its rows, as the ledgers list them. */
export interface LakeView {
  readonly dataset: DatasetDefinition
  /** Absolute paths; none for a dataset that holds nothing yet. */
  readonly files: readonly string[]
  /** Files of which only the rows of some sessions count. */
  readonly parts?: readonly LakePart[]
}

/** Every file that the view reads. */
export const filesOf = ({ files, parts = [] }: LakeView): readonly string[] => [
  ...files,
  ...parts.map(({ file }) => file),
]

/**
 * The statement that makes the view of a dataset; without files, an empty one with the same columns. Where a series
 * is an underlying, the view has a column `underlying` besides: the folder's name.
 */
export function viewStatement({ dataset, files, parts = [] }: LakeView): string {
  const selects = [
    ...(files.length > 0 ? [selectRows(dataset, files)] : []),
    ...parts.map(
      ({ file, dates = [] }) => `${selectRows(dataset, [file])} WHERE ${withinSessions(dataset, dates)}`,
    ),
  ]
  if (selects.length === 0) selects.push(`SELECT ${typedNulls(dataset)} WHERE false`)
  return `CREATE VIEW ${sqlIdentifier(dataset.name)} AS ${selects.join(' UNION ALL ')}`
}

function selectRows(dataset: DatasetDefinition, files: readonly string[]): string {
  const key = seriesKeyOf(dataset)
  const prunes = canPrune(dataset, files)
  const partitions = prunes
    ? `hive_partitioning = true, hive_types_autocast = false, hive_types = {'${key}': VARCHAR}`
    : `hive_partitioning = false${key === 'underlying' ? ', filename = true' : ''}`
  const rows = `read_parquet(${sqlPaths(files)}, ${partitions})`
  const folder = prunes ? key : `url_decode(regexp_extract(filename, '.*/${key}=([^/]+)/', 1))`
  const extra = key === 'underlying' ? `, ${folder} AS ${key}` : ''
  return `SELECT ${selectTyped(dataset.columns)}${extra} FROM ${rows}`
}

/** A condition on the event column: DuckDB skips the row groups that cannot hold these sessions. */
function withinSessions(dataset: DatasetDefinition, dates: readonly string[]): string {
  const column = sqlIdentifier(dataset.eventColumn)
  const value = (event: number): string =>
    dataset.eventKind === 'date' ? `DATE '${daysToDate(event)}'` : `make_timestamptz(${event}::BIGINT)`
  const ranges = dates.map((date) => {
    const { from, to } = sessionBounds(dataset, date)
    return `(${column} >= ${value(from)} AND ${column} < ${value(to)})`
  })
  return ranges.length === 0 ? 'false' : `(${ranges.join(' OR ')})`
}

function typedNulls(dataset: DatasetDefinition): string {
  const nulls = dataset.columns.map(({ name, type }) => `NULL::${SQL_TYPES[type]} AS ${sqlIdentifier(name)}`)
  return [...nulls, ...(seriesKeyOf(dataset) === 'underlying' ? ['NULL::VARCHAR AS underlying'] : [])].join(
    ', ',
  )
}

/**
 * True when the folder names may stand for the series' key, so that a query for one ticker opens no file of
 * another. A folder further up that is called like another column would take that column's place.
 */
function canPrune(dataset: DatasetDefinition, files: readonly string[]): boolean {
  const seriesKey = seriesKeyOf(dataset)
  const others = new Set(dataset.columns.map(({ name }) => name).filter((name) => name !== seriesKey))
  return files.every((path) => {
    const keys = Array.from(path.matchAll(/\/([^/=]+)=[^/]*(?=\/)/g), (match) => match[1]!)
    return keys.filter((key) => key === seriesKey).length === 1 && !keys.some((key) => others.has(key))
  })
}
