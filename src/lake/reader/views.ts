import { seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import { selectTyped, SQL_TYPES } from '../engines/duckdb-columns.ts'
import { sqlIdentifier, sqlPaths } from '../engines/sql-text.ts'

/** One view: a dataset and exactly the files that hold its rows, as the ledgers list them. */
export interface LakeView {
  readonly dataset: DatasetDefinition
  /** Absolute paths; none for a dataset that holds nothing yet. */
  readonly files: readonly string[]
}

/**
 * The statement that makes the view of a dataset; without files, an empty one with the same columns. Where a series
 * is an underlying, the view has a column `underlying` besides: the folder's name.
 */
export function viewStatement({ dataset, files }: LakeView): string {
  const name = sqlIdentifier(dataset.name)
  if (files.length === 0) return `CREATE VIEW ${name} AS SELECT ${typedNulls(dataset)} WHERE false`
  const key = seriesKeyOf(dataset)
  const prunes = canPrune(dataset, files)
  const partitions = prunes
    ? `hive_partitioning = true, hive_types_autocast = false, hive_types = {'${key}': VARCHAR}`
    : `hive_partitioning = false${key === 'underlying' ? ', filename = true' : ''}`
  const rows = `read_parquet(${sqlPaths(files)}, ${partitions})`
  const folder = prunes ? key : `url_decode(regexp_extract(filename, '.*/${key}=([^/]+)/', 1))`
  const extra = key === 'underlying' ? `, ${folder} AS ${key}` : ''
  return `CREATE VIEW ${name} AS SELECT ${selectTyped(dataset.columns)}${extra} FROM ${rows}`
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
