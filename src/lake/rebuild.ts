import type { ParquetEngine } from './engine.ts'
import { ledgerPath, type SeriesId } from './layout.ts'
import { SeriesWriter, type SeriesWriterOptions } from './series-writer.ts'
import { viewSeries } from './series-store.ts'

/**
 * Makes the ledgers of `series` anew from the content and the footers of their segments, where they are lost, torn or
 * were changed by something else; a damaged one is kept under another name. No Parquet file is touched.
 *
 * @returns the ledgers that were made anew, relative to `root`
 * @throws {LockedError} when another process writes one of the series
 */
export async function rebuildLedgers(
  root: string,
  series: readonly SeriesId[],
  engine: ParquetEngine,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const rebuilt: string[] = []
  for (const one of series) {
    if (!(await viewSeries(root, one, async () => engine)).rebuilt) continue
    const options: SeriesWriterOptions = {
      ...{ root, series: one, runId: 'rebuild', waitMs: 0, purpose: 'rebuilding the ledger' },
      ...{ engine, compression: 'zstd', rowGroupRows: 1, provenance: () => 'real' }, // no segment is written
    }
    const writer = await SeriesWriter.open(options, signal)
    await writer.close()
    rebuilt.push(ledgerPath(one))
  }
  return rebuilt
}
