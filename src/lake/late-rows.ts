import { stringAt, takeRows, type Batch, type ColumnData } from '../core/batch.ts'
import { dedupLastWins } from '../core/sort.ts'
import { calendarOf } from '../market/calendar/index.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { US_PER_MS } from '../market/time.ts'
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
  /**
   * Columns that tell a row from the others of its millisecond, where rows come with another key than they are held
   * with; default: the key.
   */
  readonly identity?: readonly string[] | undefined
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
  { lateDays, nowMs, identity }: LateOptions,
): Promise<LateReceipt> {
  const { root, series, runId } = writer.options
  const { dataset } = series
  const cell = writer.ledger.cells[date]
  const session = calendarOf(dataset.calendar).on(date)
  if (!cell || !session) return NOTHING_LATE
  const fresh = await withoutHeld(dedupLastWins(rows, dataset.key), heldRows(writer, date), {
    dataset,
    columns: identity ?? dataset.key,
  })
  if (fresh.length === 0) return NOTHING_LATE
  const before = await readQuarantine(root, series, date)
  const days = (nowMs - session.extendedCloseMs) / MS_PER_DAY
  if (days <= lateDays) {
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
  const reason = `arrived ${days.toFixed(1)} days after the session, ${lateDays} are allowed (versions.lateDays)`
  const every = Array.from({ length: fresh.length }, (_, row) => ({ row, rule: 'late', reason }))
  const late = newOnes(quarantinedRows(fresh, every, runId), before)
  if (late.length === 0) return NOTHING_LATE
  const { state, reason: why } = cell
  await writer.settle(new Map([[date, { state, reason: why, refused: [...before, ...late] }]]))
  return { merged: 0, quarantined: late.length, restated: [] }
}

const withOrigin = (batch: Batch, origin: Batch['origin']): Batch => (origin ? { ...batch, origin } : batch)

interface Identity {
  readonly dataset: DatasetDefinition
  readonly columns: readonly string[]
}

/** The rows of `rows` that are not among `held`, which passes by. */
async function withoutHeld(rows: Batch, held: AsyncIterable<Batch>, identity: Identity): Promise<Batch> {
  const places = new Map<string, number>()
  const nameIn = namer(rows, identity)
  for (let row = 0; row < rows.length; row++) places.set(nameIn(row), row)
  for await (const batch of held) {
    const name = namer(batch, identity)
    for (let row = 0; row < batch.length && places.size > 0; row++) places.delete(name(row))
  }
  return takeRows(rows, [...places.values()])
}

/** What a row of `batch` is called: the millisecond of its event, and the values of its identity. */
function namer(batch: Batch, { dataset, columns }: Identity): (row: number) => string {
  const times = batch.columns[dataset.eventColumn] as Float64Array
  const scale = dataset.eventKind === 'date' ? 1 : US_PER_MS
  const others = columns.filter((name) => name !== dataset.eventColumn)
  const values = others.map((name) => valueIn(batch.columns[name]!))
  return (row) => {
    let name = String(Math.floor(times[row]! / scale))
    for (const value of values) name += ` ${value(row)}`
    return name
  }
}

const valueIn = (data: ColumnData): ((row: number) => string) =>
  'dictionary' in data
    ? (row) => JSON.stringify(stringAt(data, row))
    : (row) => String((data as Float64Array | BigInt64Array)[row])

/** Those of `rows` that quarantine does not hold yet. */
function newOnes(
  rows: readonly QuarantinedRow[],
  known: readonly QuarantinedRow[],
): readonly QuarantinedRow[] {
  const nameOf = ({ rule, row }: QuarantinedRow): string => JSON.stringify([rule, row])
  const names = new Set(known.map(nameOf))
  return rows.filter((row) => !names.has(nameOf(row)))
}
