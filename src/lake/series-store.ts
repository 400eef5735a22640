import { statSync } from 'node:fs'
import { readdir, rename, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { IntegrityError } from '../core/errors.ts'
import { readLedgerFile, readNext } from './commit.ts'
import { sha256File } from './durable.ts'
import type { ParquetEngine } from './engine.ts'
import { ledgerPath, seriesFolder, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import { emptyLedger, type Cell, type Ledger, type Segment } from './ledger.ts'
import { scanContent } from './scan.ts'
import { parseSegmentMetadata } from './segment-metadata.ts'

/** A series as it stands: its ledger, and where each live segment can be read now (absolute paths). */
export interface SeriesView {
  readonly series: SeriesId
  readonly ledger: Ledger
  readonly files: readonly string[]
  /** True when the ledger file was lost or damaged and the view comes from the segments alone. */
  readonly rebuilt: boolean
}

/**
 * The truth about a series, for readers: the ledger of a commit that passed its point of no return, else the
 * ledger file, else what the footers of its segments tell. Changes nothing on the disk.
 */
export async function viewSeries(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
): Promise<SeriesView> {
  const next = await readNext(root, series).catch(() => undefined)
  if (next) {
    return {
      series,
      ledger: next,
      files: next.segments.map((one) => stagedOrLive(root, one)),
      rebuilt: false,
    }
  }
  const held = await readLedgerFile(root, series).catch((error: unknown) => {
    if (error instanceof IntegrityError) return undefined
    throw error
  })
  const ledger = held ?? (await rebuildLedger(root, series, engine))
  const files = ledger.segments.map((segment) => join(root, segment.path))
  return { series, ledger, files, rebuilt: held === undefined && files.length > 0 }
}

/** While a commit is cut off, a new segment may still wait under its temporary name. */
function stagedOrLive(root: string, segment: Segment): string {
  const path = join(root, segment.path)
  const staged = statSync(path + TEMPORARY_SUFFIX, { throwIfNoEntry: false })
  return staged?.size === segment.bytes ? path + TEMPORARY_SUFFIX : path
}

/** Puts a damaged ledger aside, so that a rebuilt one can take its place and nothing is lost. */
export async function setAsideDamagedLedger(root: string, series: SeriesId): Promise<string | undefined> {
  try {
    await readLedgerFile(root, series)
    return undefined
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error
    const path = join(root, ledgerPath(series))
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '')}`
    await rename(path, aside)
    return aside
  }
}

/**
 * A ledger made from nothing but the segments of the series: their content says which sessions are held, their
 * footers where the rows came from. Sessions without rows are unknown again and will be asked for anew.
 */
export async function rebuildLedger(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
): Promise<Ledger> {
  const segments: Segment[] = []
  const cells: Record<string, Cell> = {}
  for (const path of await segmentFiles(root, series)) {
    const found = await describeSegment(root, path, series, await engine())
    if (!found) continue
    segments.push(found.segment)
    Object.assign(cells, found.cells)
  }
  if (segments.length === 0) return emptyLedger(series)
  return { ...emptyLedger(series), updatedAt: new Date().toISOString(), segments, cells }
}

async function describeSegment(
  root: string,
  path: string,
  series: SeriesId,
  engine: ParquetEngine,
): Promise<{ segment: Segment; cells: Record<string, Cell> } | undefined> {
  const absolute = join(root, path)
  const { metadata } = await engine.inspect(absolute)
  const story = parseSegmentMetadata(metadata)
  if (story?.dataset !== series.dataset.name || story.ticker !== series.ticker) return undefined
  const content = await scanContent(series.dataset, engine.read(series.dataset, [absolute]))
  const dates = [...content.sessions.keys()].sort()
  const { partition, runId: run, writtenAt, origins } = story
  const segment: Segment = {
    path,
    partition,
    rows: content.rows,
    bytes: (await stat(absolute)).size,
    sha256: await sha256File(absolute),
    digest: content.digest,
    first: dates[0] ?? '',
    last: dates.at(-1) ?? '',
    engine: engine.name,
    run,
    writtenAt,
    origins: [...origins],
  }
  const cells = [...content.sessions].map(([date, { rows, digest }]) => {
    const reason = `${rows} rows found in the segment; the ledger was rebuilt`
    return [date, { state: 'complete', reason, rows, digest, run, at: writtenAt } satisfies Cell]
  })
  return { segment, cells: Object.fromEntries(cells) as Record<string, Cell> }
}

/** Parquet files below the folder of a series, relative to `root`, in order of name. */
export async function segmentFiles(root: string, series: SeriesId): Promise<string[]> {
  const entries = await readdir(join(root, seriesFolder(series)), {
    recursive: true,
    withFileTypes: true,
  }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.parquet'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}
