import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { dataPaths, seriesFolder, type SeriesId } from './layout.ts'

/**
 * Parquet files below `lake/` that lie in the folder of none of `series`, relative to `root`: whoever globs over the
 * lake reads them, and no ledger will ever name them.
 */
export async function strayFiles(root: string, series: readonly SeriesId[]): Promise<readonly string[]> {
  const known = new Set(series.map(seriesFolder))
  const entries = await readdir(dataPaths(root).lake, { recursive: true, withFileTypes: true }).catch(
    () => [],
  )
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.parquet'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !known.has(path.split('/').slice(0, 3).join('/')))
    .sort()
}
