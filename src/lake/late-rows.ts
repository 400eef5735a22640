import { takeRows, type Batch } from '../core/batch.ts'
import { dedupLastWins } from '../core/sort.ts'
import { calendarOf } from '../market/calendar/index.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { heldRows } from './held-rows.ts'
import type { Cell } from './ledger.ts'
import { LATE, quarantinedRows, readQuarantine, type QuarantinedRow } from './quarantine.ts'
import { rowsNotHeld } from './row-names.ts'
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
  /**
   * Columns that tell a row from the others of its millisecond, where rows come with another key than they are held
   * with; default: the key.
   */
  readonly identity?: readonly string[] | undefined
}

export const NOTHING_LATE: LateReceipt = { merged: 0, quarantined: 0, restated: [] }
const MS_PER_DAY = 86_400_000

/**
 * Whether a session that is asked for anew takes what the vendor has now, however late; `unless_quarantined`: a session of
 * which late rows lie in quarantine does not.
 */
export type TakesLate = boolean | 'unless_quarantined'

/** @param quarantined rows of the session in quarantine */
export const takesLateRows = (takes: TakesLate, quarantined: readonly QuarantinedRow[]): boolean =>
  takes === 'unless_quarantined' ? quarantined.every(({ rule }) => rule !== LATE) : takes

/** True for a session that was said to be whole: what comes of it now is late. */
export const isSettled = (cell: Cell | undefined): boolean =>
  cell !== undefined && (cell.state === 'complete' || cell.state === 'empty')

/** Why rows of the session of `date` are too late to be merged, one sentence; undefined within the window. */
export function whyTooLate(
  dataset: DatasetDefinition,
  date: string,
  { lateDays, nowMs }: Pick<LateOptions, 'lateDays' | 'nowMs'>,
): string | undefined {
  const session = calendarOf(dataset.calendar).on(date)
  const days = session ? (nowMs - session.extendedCloseMs) / MS_PER_DAY : 0
  if (days <= lateDays) return undefined
  return `arrived ${days.toFixed(1)} days after the session, ${lateDays} are allowed (versions.lateDays)`
}

/** All of `rows` as quarantine keeps what came too late. */
export function lateInQuarantine(rows: Batch, reason: string, run: string): QuarantinedRow[] {
  const every = Array.from({ length: rows.length }, (_, row) => ({ row, rule: LATE, reason }))
  return quarantinedRows(rows, every, run)
}

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
  { lateDays, nowMs, identity }: LateOptions,
): Promise<LateReceipt> {
  const { root, series, runId } = writer.options
  const { dataset } = series
  const cell = writer.ledger.cells[date]
  if (!cell || !calendarOf(dataset.calendar).on(date)) return NOTHING_LATE
  const unique = dedupLastWins(rows, dataset.key)
  const columns = identity ?? dataset.key
  const fresh = takeRows(unique, await rowsNotHeld(unique, heldRows(writer, date), { dataset, columns }))
  if (fresh.length === 0) return NOTHING_LATE
  const before = await readQuarantine(root, series, date)
  const reason = whyTooLate(dataset, date, { lateDays, nowMs })
  if (reason === undefined) {
    const note = `${fresh.length} late rows merged`
    const { state } = cell.rows === 0 ? { state: 'complete' as const } : cell
    const sink = writer.openSink([date])
    try {
      for await (const held of heldRows(writer, date)) await sink.write(withOrigin(held, fresh.origin))
      await sink.write(fresh)
      const { restated } = await sink.commit(
        new Map([[date, { state, reason: `${cell.reason}; ${note}`, refused: before }]]),
      )
      return { merged: fresh.length, quarantined: 0, restated }
    } catch (error) {
      await sink.abort()
      throw error
    }
  }
  const late = newOnes(lateInQuarantine(fresh, reason, runId), before)
  if (late.length === 0) return NOTHING_LATE
  const { state, reason: why } = cell
  await writer.settle(new Map([[date, { state, reason: why, refused: [...before, ...late] }]]))
  return { merged: 0, quarantined: late.length, restated: [] }
}

const withOrigin = (batch: Batch, origin: Batch['origin']): Batch => (origin ? { ...batch, origin } : batch)

/** Those of `rows` that quarantine does not hold yet. */
function newOnes(
  rows: readonly QuarantinedRow[],
  known: readonly QuarantinedRow[],
): readonly QuarantinedRow[] {
  const nameOf = ({ rule, row }: QuarantinedRow): string => JSON.stringify([rule, row])
  const names = new Set(known.map(nameOf))
  return rows.filter((row) => !names.has(nameOf(row)))
}
