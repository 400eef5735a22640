import type { DatasetDefinition } from '../../market/dataset.ts'
import { selectTyped, SQL_TYPES } from '../engines/duckdb-columns.ts'
import { sqlIdentifier, sqlPaths } from '../engines/sql-text.ts'

/** One view: a dataset and exactly the files that hold its rows, as the ledgers list them. */
export interface LakeView {
  readonly dataset: DatasetDefinition
  /** Absolute paths; none for a dataset that holds nothing yet. */
  readonly files: readonly string[]
}

/** The statement that makes the view of a dataset; without files, an empty one with the same columns. */
export function viewStatement({ dataset, files }: LakeView): string {
  const name = sqlIdentifier(dataset.name)
  if (files.length === 0) return `CREATE VIEW ${name} AS SELECT ${typedNulls(dataset)} WHERE false`
  const partitions = canPrune(dataset, files)
    ? `hive_partitioning = true, hive_types_autocast = false, hive_types = {'ticker': VARCHAR}`
    : 'hive_partitioning = false'
  const rows = `read_parquet(${sqlPaths(files)}, ${partitions})`
  return `CREATE VIEW ${name} AS SELECT ${selectTyped(dataset.columns)} FROM ${rows}`
}

const typedNulls = ({ columns }: DatasetDefinition): string =>
  columns.map(({ name, type }) => `NULL::${SQL_TYPES[type]} AS ${sqlIdentifier(name)}`).join(', ')

/**
 * True when the folder names may stand for the column `ticker`, so that a query for one ticker opens no file of
 * another. A folder further up that is called like another column would take that column's place.
 */
function canPrune({ columns }: DatasetDefinition, files: readonly string[]): boolean {
  const others = new Set(columns.map(({ name }) => name).filter((name) => name !== 'ticker'))
  return files.every((path) => {
    const keys = Array.from(path.matchAll(/\/([^/=]+)=[^/]*(?=\/)/g), (match) => match[1]!)
    return keys.filter((key) => key === 'ticker').length === 1 && !keys.some((key) => others.has(key))
  })
}
