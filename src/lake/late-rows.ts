import { concatBatches, takeRows, type Batch } from '../core/batch.ts'
import { mergeJoin } from '../core/merge-join.ts'
import { dedupLastWins } from '../core/sort.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { heldRows } from './held-rows.ts'
import { quarantinedRows, readQuarantine, type QuarantinedRow } from './quarantine.ts'
import type { Restatement } from './series-contract.ts'
import type { SeriesWriter } from './series-writer.ts'

/** What became of rows that arrived after their session was complete. */
export interface LateReceipt {
  /** Rows that the lake lacked and has now: the session was restated. */
  readonly merged: number
  /** Rows that came too late; they are in quarantine. */
  readonly quarantined: number
  readonly restated: readonly Restatement[]
}

export interface LateOptions {
  /** Days after the end of a session within which late rows are merged. */
  readonly lateDays: number
  /** The present instant, UTC epoch milliseconds. */
  readonly nowMs: number
}

export const NOTHING_LATE: LateReceipt = { merged: 0, quarantined: 0, restated: [] }
const MS_PER_DAY = 86_400_000

/**
 * Takes rows of a session that the lake holds as settled. Rows whose key it has already are not late: what it has
 * stands. The others are merged into the session, or, beyond the window, go to quarantine as `late`, each once.
 *
 * @param rows valid rows of the session of `date`, any order
 */
export async function mergeLate(
  writer: SeriesWriter,
  date: string,
  rows: Batch,
  { lateDays, nowMs }: LateOptions,
): Promise<LateReceipt> {
  const { root, series, runId } = writer.options
  const { dataset } = series
  const cell = writer.ledger.cells[date]
  const session = calendarOf(dataset.calendar).on(date)
  if (!cell || !session) return NOTHING_LATE
  const held: Batch[] = []
  for await (const batch of heldRows(writer, date)) held.push(batch)
  const fresh = await withoutHeld(dedupLastWins(rows, dataset.key), held, dataset.key)
  if (fresh.length === 0) return NOTHING_LATE
  const before = await readQuarantine(root, series, date)
  const days = (nowMs - session.extendedCloseMs) / MS_PER_DAY
  if (days <= lateDays) {
    const note = `${fresh.length} late rows merged`
    const { state } = cell.rows === 0 ? { state: 'complete' as const } : cell
    const sink = writer.openSink([date])
    for (const batch of [...held, fresh])
      await sink.write({ ...batch, ...(fresh.origin && { origin: fresh.origin }) })
    const { restated } = await sink.commit(
      new Map([[date, { state, reason: `${cell.reason}; ${note}`, refused: before }]]),
    )
    return { merged: fresh.length, quarantined: 0, restated }
  }
  const reason = `arrived ${days.toFixed(1)} days after the session, ${lateDays} are allowed (versions.lateDays)`
  const every = Array.from({ length: fresh.length }, (_, row) => ({ row, rule: 'late', reason }))
  const late = newOnes(quarantinedRows(fresh, every, runId), before)
  if (late.length === 0) return NOTHING_LATE
  const { state, reason: why } = cell
  await writer.settle(new Map([[date, { state, reason: why, refused: [...before, ...late] }]]))
  return { merged: 0, quarantined: late.length, restated: [] }
}

/** The rows of `rows`, sorted by `key`, whose key is not among `held`. */
async function withoutHeld(rows: Batch, held: readonly Batch[], key: readonly string[]): Promise<Batch> {
  if (held.length === 0) return rows
  const fresh: number[] = []
  const sorted = dedupLastWins(concatBatches(held), key)
  const pass = (): void => undefined
  await mergeJoin(key, only(sorted), only(rows), {
    onBoth: pass,
    onLeft: pass,
    onRight: (_, row) => fresh.push(row),
  })
  return takeRows(rows, fresh)
}

async function* only(batch: Batch): AsyncGenerator<Batch> {
  yield batch
}

/** Those of `rows` that quarantine does not hold yet. */
function newOnes(
  rows: readonly QuarantinedRow[],
  known: readonly QuarantinedRow[],
): readonly QuarantinedRow[] {
  const nameOf = ({ rule, row }: QuarantinedRow): string => JSON.stringify([rule, row])
  const names = new Set(known.map(nameOf))
  return rows.filter((row) => !names.has(nameOf(row)))
}
