import { readdir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { messageOf } from '../core/errors.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { changedSegments, forgiveDamage, readLedgerFile, readNext } from './commit.ts'
import { sha256File } from './durable.ts'
import type { ParquetEngine } from './engine.ts'
import { versionsFromDiffs } from './history.ts'
import { seriesFolder, segmentPath, type SeriesId } from './layout.ts'
import { emptyLedger, type Cell, type Ledger, type Segment } from './ledger.ts'
import { quarantinedSessions, readQuarantine } from './quarantine.ts'
import { hasSize, locateSegments } from './recovery.ts'
import { scanContent, type Content } from './scan.ts'
import { parseSegmentMetadata } from './segment-metadata.ts'

/** A series as it stands: its ledger, and where each live segment can be read now (absolute paths). */
export interface SeriesView {
  readonly series: SeriesId
  readonly ledger: Ledger
  readonly files: readonly string[]
  /** True when the ledger file was lost or damaged and the view comes from the segments alone. */
  readonly rebuilt: boolean
  /** What is wrong with the ledger file, where it is there but cannot be believed. */
  readonly damage?: string
}

/**
 * The truth about a series, for readers: the ledger of a commit that passed its point of no return, else the
 * ledger file, else what the footers of its segments tell. Changes nothing on the disk.
 *
 * @throws {LakeMismatchError} when a newer tapelake wrote it
 */
export async function viewSeries(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
): Promise<SeriesView> {
  const next = await readLastingNext(root, series)
  let damage: string | undefined
  const held = await readLedgerFile(root, series).catch((error: unknown) => {
    damage = messageOf(error)
    return forgiveDamage(error)
  })
  const cutOff = next && (await viewCutOff(root, series, held, next))
  if (cutOff) return cutOff
  const ledger = held ?? (await rebuildLedger(root, series, engine))
  const files = ledger.segments.map(({ path }) => join(root, path))
  const rebuilt = damage !== undefined || (held === undefined && files.length > 0)
  return { series, ledger, files, rebuilt, ...(damage === undefined ? {} : { damage }) }
}

const COMMIT_TRIES = 6
const COMMIT_TRY_MS = 20

/**
 * The ledger-to-be of a commit that was cut off. One that a living writer makes is over in some milliseconds and
 * waited for: paths of files that are just being renamed would be of no use.
 */
async function readLastingNext(root: string, series: SeriesId): Promise<Ledger | undefined> {
  for (let tries = 1; ; tries++) {
    const next = await readNext(root, series).catch(forgiveDamage)
    if (!next || tries === COMMIT_TRIES) return next
    await setTimeout(COMMIT_TRY_MS)
  }
}

/** While a commit is cut off, its segments may still wait under their temporary names. */
async function viewCutOff(
  root: string,
  series: SeriesId,
  held: Ledger | undefined,
  next: Ledger,
): Promise<SeriesView | undefined> {
  const changed = changedSegments(held, next)
  const found = await locateSegments(root, changed, hasSize)
  if (!found) return undefined
  const place = new Map(changed.map(({ path }, i) => [path, found[i]!]))
  const files = next.segments.map(({ path }) => place.get(path) ?? join(root, path))
  return { series, ledger: next, files, rebuilt: false }
}

/**
 * A ledger made from nothing but the segments of the series: their content says which sessions are held, their
 * footers where the rows came from. Sessions without rows are unknown again and will be asked for anew. A file
 * that cannot be read, or that is not where its footer says, is left alone and left out.
 */
export async function rebuildLedger(
  root: string,
  series: SeriesId,
  engine: () => Promise<ParquetEngine>,
): Promise<Ledger> {
  const segments: Segment[] = []
  const cells: Record<string, Cell> = {}
  for (const path of await segmentFiles(root, series)) {
    const found = await describeSegment(root, path, series, await engine()).catch(forgiveDamage)
    if (!found) continue
    segments.push(found.segment)
    Object.assign(cells, found.cells)
  }
  if (segments.length === 0) return emptyLedger(series)
  await countQuarantined(root, series, cells)
  const history = await versionsFromDiffs(root, series, engine)
  const versions = history.length > 0 ? { history: [...history] } : {}
  return { ...emptyLedger(series), updatedAt: new Date().toISOString(), segments, cells, ...versions }
}

/** Refused rows are still there, whatever became of the ledger. */
async function countQuarantined(root: string, series: SeriesId, cells: Record<string, Cell>): Promise<void> {
  for (const date of await quarantinedSessions(root, series)) {
    const rows = await readQuarantine(root, series, date).catch(forgiveDamage)
    if (rows && rows.length > 0 && cells[date]) cells[date] = { ...cells[date], quarantined: rows.length }
  }
}

interface FoundSegment {
  readonly segment: Segment
  readonly cells: Readonly<Record<string, Cell>>
}

async function describeSegment(
  root: string,
  path: string,
  series: SeriesId,
  engine: ParquetEngine,
): Promise<FoundSegment | undefined> {
  const absolute = join(root, path)
  const { metadata } = await engine.inspect(absolute)
  const story = parseSegmentMetadata(metadata)
  if (story?.dataset !== series.dataset.name || story.ticker !== series.ticker) return undefined
  const { partition, runId: run, writtenAt, origins } = story
  if (path !== segmentPath(series, partition)) return undefined // a copy: its rows would count twice
  const content = await scanContent(series.dataset, engine.read(series.dataset, [absolute]))
  const dates = [...content.sessions.keys()].sort()
  if (dates.length === 0) return undefined
  const segment: Segment = {
    path,
    partition,
    rows: content.rows,
    bytes: (await stat(absolute)).size,
    sha256: await sha256File(absolute),
    digest: content.digest,
    first: dates[0]!,
    last: dates.at(-1)!,
    engine: engine.name,
    run,
    writtenAt,
    origins: [...origins],
  }
  return { segment, cells: cellsOf(series, content, story) }
}

function cellsOf(
  { dataset }: SeriesId,
  content: Content,
  { runId: run, writtenAt: at, unfinished }: NonNullable<ReturnType<typeof parseSegmentMetadata>>,
): Record<string, Cell> {
  const calendar = calendarOf(dataset.calendar)
  const wasOpen = (date: string): boolean =>
    dataset.eventKind !== 'date' && Date.parse(at) < (calendar.on(date)?.extendedCloseMs ?? 0)
  const cells: Record<string, Cell> = {}
  for (const [date, { rows, digest }] of content.sessions) {
    const found = `${rows} rows found in the segment; the ledger was rebuilt`
    cells[date] =
      unfinished.includes(date) || wasOpen(date)
        ? { state: 'pending', reason: `${found}, and the session was not whole`, rows, digest, run, at }
        : { state: 'complete', reason: found, rows, digest, run, at }
  }
  return cells
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
