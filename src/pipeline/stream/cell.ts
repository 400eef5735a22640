import type { Batch, Origin } from '../../core/batch.ts'
import { PipelineError } from '../../core/errors.ts'
import { heldRows } from '../../lake/held-rows.ts'
import type { CellState } from '../../lake/ledger.ts'
import { mergeLate } from '../../lake/late-rows.ts'
import { partitionOf } from '../../lake/layout.ts'
import { sessionRuns } from '../../lake/scan.ts'
import type { CellVerdict } from '../../lake/series-contract.ts'
import { SeriesWriter } from '../../lake/series-writer.ts'
import { viewSeries } from '../../lake/series-store.ts'
import type { SegmentSettings } from '../../lake/stage-segment.ts'
import { claimProvenance } from '../../lake/stamp.ts'
import type { Provenance } from '../../sources/history.ts'
import { liveIdentity } from './channels.ts'
import type { LiveSeries } from './live-series.ts'
import { mergeSorted } from './merge-sorted.ts'

/** The lake that a stream records into. */
export interface StreamLake extends SegmentSettings {
  readonly root: string
  readonly runId: string
  /** Goes into the origin of rows, e.g. `polygon`. */
  readonly sourceName: string
  /** How long a commit waits for another writer of the series, ms. */
  readonly lockWaitMs: number
  readonly provenance: () => Provenance | undefined
  readonly onMended?: (note: string) => void
  /** Days after a session within which late rows are merged into it. */
  readonly lateDays: number
  /** The present instant, UTC epoch milliseconds. */
  readonly now: () => number
}

export interface CellSettlement {
  readonly state: CellState
  /** One sentence. */
  readonly reason: string
}

/** Joins the requests of one cell in the ledger: a cell has one origin there. */
const REQUEST_SEPARATOR = ' + '

/**
 * Adds what the lake holds of the session to `series`, once: a commit replaces the cell as a whole. The rows of a
 * complete cell are left alone.
 *
 * @returns the state of the cell; undefined: nothing is known of it
 * @throws {IntegrityError} when the segment is damaged
 */
export async function holdCell(lake: StreamLake, series: LiveSeries): Promise<CellState | undefined> {
  const { id, date } = series
  const { ledger, files } = await viewSeries(lake.root, id, () => Promise.resolve(lake.engine))
  const cell = ledger.cells[date]
  const at = ledger.segments.findIndex(({ partition }) => partition === partitionOf(id.dataset, date))
  const isOpen = cell !== undefined && cell.rows > 0 && cell.state !== 'complete'
  if (series.isHeld || at < 0 || !isOpen) {
    series.hold([], [])
    return cell?.state
  }
  const rows: Batch[] = []
  if (series.keepsRows) {
    for await (const batch of lake.engine.read(id.dataset, [files[at]!])) {
      for (const run of sessionRuns(id.dataset, batch)) if (run.date === date) rows.push(run.rows)
    }
  }
  const origins = ledger.segments[at]!.origins.filter(({ from, to }) => from === date && to === date)
  const requests = origins.flatMap(({ request }) => request.split(REQUEST_SEPARATOR))
  series.hold(rows, requests, true)
  return cell.state
}

/**
 * Opens the one writer of `series` for `work`.
 *
 * @throws {LockedError} when another process writes the series for longer than `lake.lockWaitMs`
 * @throws {LakeMismatchError} when the lake holds data of the other kind
 */
export async function withWriter<T>(
  lake: StreamLake,
  { id }: LiveSeries,
  signal: AbortSignal,
  work: (writer: SeriesWriter) => Promise<T>,
): Promise<T> {
  const provenance = lake.provenance()
  if (!provenance) throw new PipelineError('rows whose provenance is unknown cannot enter the lake')
  const purpose = `live recording of ${id.ticker} ${id.dataset.name}`
  const options = { ...lake, series: id, provenance: () => provenance, purpose, waitMs: lake.lockWaitMs }
  const writer = await SeriesWriter.open(options, signal)
  try {
    await claimProvenance(lake.root, provenance)
    return await work(writer)
  } finally {
    await writer.close()
  }
}

/**
 * Records the cell of `series` as a whole, with everything that is known of it. Into one that is complete only late
 * rows are merged: those that it lacks.
 *
 * @returns rows of the cell in the lake
 * @throws see {@link withWriter}; {@link IntegrityError} when rows in the lake are damaged
 */
export async function commitCell(
  lake: StreamLake,
  series: LiveSeries,
  settlement: CellSettlement,
  signal: AbortSignal,
): Promise<number> {
  const { date, version } = series
  return await withWriter(lake, series, signal, async (writer) => {
    const held = writer.ledger.cells[date]
    if (held?.state === 'complete') await commitLate(lake, series, writer)
    else await commitAll(lake, series, writer, settlement)
    series.noteCommitted(version)
    return writer.ledger.cells[date]?.rows ?? 0
  })
}

async function commitAll(
  lake: StreamLake,
  series: LiveSeries,
  writer: SeriesWriter,
  { state, reason }: CellSettlement,
): Promise<void> {
  await holdCell(lake, series)
  const { date } = series
  const before = writer.ledger.cells[date]
  const isSame = before?.state === state && before.reason === reason
  if (!series.keepsRows && !series.isChanged && isSame) return // ticks cost time to write again
  const sink = writer.openSink([date])
  const origin = originOf(lake, series)
  try {
    for await (const rows of rowsOf(series, writer)) await sink.write({ ...rows, origin })
    await sink.commit(new Map([[date, { state, reason, ...refusedOf(series) }]]))
  } catch (error) {
    await sink.abort()
    throw error
  }
}

/** What a verdict says of rows that were refused. */
export const refusedOf = ({ refused }: LiveSeries): Pick<CellVerdict, 'refused'> =>
  refused.length > 0 ? { refused } : {}

/** Everything that is known of the session, in order of key; ticks that the lake holds come from there. */
async function* rowsOf(series: LiveSeries, writer: SeriesWriter): AsyncGenerator<Batch> {
  const { id, date, keepsRows } = series
  if (keepsRows) {
    const rows = series.rows()
    if (rows) yield rows
  } else yield* mergeSorted(heldRows(writer, date), series.takeTicks(), id.dataset.key)
}

/** Rows of a complete cell that it lacks. */
async function commitLate(lake: StreamLake, series: LiveSeries, writer: SeriesWriter): Promise<void> {
  const rows = series.keepsRows ? series.rows() : series.takeTicks()
  if (!series.isChanged || !rows) return
  const origin = originOf(lake, series)
  const how = { lateDays: lake.lateDays, nowMs: lake.now(), identity: liveIdentity(series.id.dataset) }
  const late = await mergeLate(writer, series.date, { ...rows, origin }, how)
  series.late = {
    merged: series.late.merged + late.merged,
    quarantined: series.late.quarantined + late.quarantined,
  }
}

/** Requests named in the ledger; of an option series each contract has its own. */
const MOST_REQUESTS = 8

function originOf({ sourceName }: StreamLake, { requests }: LiveSeries): Origin {
  const named = [...requests].slice(0, MOST_REQUESTS)
  if (requests.size > named.length) named.push(`${requests.size - named.length} more`)
  return { source: sourceName, request: named.join(REQUEST_SEPARATOR) }
}
