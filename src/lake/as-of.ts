import { join } from 'node:path'
import { LakeError } from '../core/errors.ts'
import { wasTrueAt } from './history.ts'
import { partitionOf, segmentPath, TEMPORARY_SUFFIX, type SeriesId } from './layout.ts'
import type { Cell, Ledger, Version } from './ledger.ts'
import { hasChecksum, hasSize } from './recovery.ts'
import type { SeriesView } from './series-store.ts'

/** One file of the lake, or of its history, and which of its sessions count; undefined: all of them. */
export interface LakePart {
  /** Absolute. */
  readonly file: string
  readonly dates?: readonly string[]
}

/** A series as it stood at an instant. */
export interface SeriesAsOf {
  readonly series: SeriesId
  /** Cells that were settled by then, by session. One that was still being recorded then is not among them. */
  readonly cells: Readonly<Record<string, Cell>>
  /** Where the rows of then can be read now. */
  readonly parts: readonly LakePart[]
  /** Bytes of those files. */
  readonly bytes: number
}

/**
 * The series of `view` as it stood at `instant`: what the ledger said of each session then, and which plain Parquet
 * files hold those rows now, the live ones wherever they still do.
 *
 * @param root the data directory
 * @param instant ISO 8601 in UTC with milliseconds, as `Date.toISOString` writes it
 * @throws {LakeError} when versions of that time are not kept any more
 */
export async function seriesAsOf(
  root: string,
  { series, ledger, files }: SeriesView,
  instant: string,
): Promise<SeriesAsOf> {
  const { forgottenBefore } = ledger
  if (forgottenBefore !== undefined && instant < forgottenBefore)
    throw forgottenError(series, instant, ledger)
  const cells = cellsAsOf(ledger, instant)
  const places = new Map<string, { bytes: number; dates: string[]; isLive: boolean }>()
  const liveFiles = new Map(
    ledger.segments.map(({ partition, bytes }, i) => [partition, { file: files[i]!, bytes }]),
  )
  for (const [date, cell] of Object.entries(cells)) {
    if (cell.rows === 0) continue
    const isLive = isSameContent(cell, ledger.cells[date])
    const live = liveFiles.get(partitionOf(series.dataset, date))
    const kept = isLive && live ? live : await keptFile(root, series, ledger, date, cell)
    if (!kept) throw forgottenError(series, instant, ledger, date)
    const place = places.get(kept.file) ?? { bytes: kept.bytes, dates: [], isLive }
    place.dates.push(date)
    places.set(kept.file, place)
  }
  const parts = [...places].map(([file, { dates, isLive }]) =>
    isLive && holdsNoOthers(ledger, series, dates) ? { file } : { file, dates: dates.sort() },
  )
  return { series, cells, parts, bytes: [...places.values()].reduce((sum, { bytes }) => sum + bytes, 0) }
}

function cellsAsOf({ cells, history = [] }: Ledger, instant: string): Record<string, Cell> {
  const then: Record<string, Cell> = {}
  for (const [date, cell] of Object.entries(cells)) if (cell.at <= instant) then[date] = cell
  for (const version of history) {
    if (wasTrueAt(version, instant)) then[version.date] = cellOf(version)
  }
  return then
}

const cellOf = ({ state, reason, rows, digest, run, at }: Version): Cell => ({
  ...{ state, reason, rows, run, at },
  ...(digest === undefined ? {} : { digest }),
})

const isSameContent = (
  a: Pick<Cell, 'rows' | 'digest'>,
  b: Pick<Cell, 'rows' | 'digest'> | undefined,
): boolean => b !== undefined && a.rows === b.rows && a.digest === b.digest

/**
 * The file that a version with the same rows was kept in. While a commit is cut off it may still be at its
 * old place, or have its temporary name.
 *
 * @throws {LakeError} when it is gone
 */
async function keptFile(
  root: string,
  series: SeriesId,
  { history = [] }: Ledger,
  date: string,
  cell: Cell,
): Promise<{ file: string; bytes: number } | undefined> {
  const version = history.find((one) => one.date === date && one.kept && isSameContent(one, cell))
  if (!version?.kept) return undefined
  const { path, bytes } = version.kept
  const live = segmentPath(series, partitionOf(series.dataset, date))
  for (const file of [join(root, path), join(root, path + TEMPORARY_SUFFIX)]) {
    if (await hasSize(file, version.kept)) return { file, bytes }
  }
  if (await hasChecksum(join(root, live), version.kept)) return { file: join(root, live), bytes }
  throw new LakeError(`${path} is gone: it has the rows of ${date} as they were from ${cell.at}`, {
    hint: 'Restore it from a backup, or ask for another instant.',
  })
}

/** Whether `dates` are all the sessions of their live segment. */
function holdsNoOthers({ cells }: Ledger, { dataset }: SeriesId, dates: readonly string[]): boolean {
  const partition = partitionOf(dataset, dates[0]!)
  const held = Object.entries(cells).filter(
    ([date, { rows }]) => rows > 0 && partitionOf(dataset, date) === partition,
  )
  return held.length === dates.length
}

function forgottenError(
  { dataset, ticker }: SeriesId,
  instant: string,
  { forgottenBefore }: Ledger,
  date?: string,
): LakeError {
  const what = date === undefined ? '' : ` of ${date}`
  return new LakeError(`${dataset.name} ${ticker}: the rows${what} as of ${instant} are not kept any more`, {
    hint:
      forgottenBefore === undefined
        ? 'They were damaged when they gave way. Ask for another instant, or for other series.'
        : `Versions that gave way before ${forgottenBefore} may have been dropped; versions.keepDays says how long they are kept.`,
  })
}
