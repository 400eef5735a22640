import { takeRows, type Batch } from '../core/batch.ts'
import type { Stage } from '../core/flow.ts'
import { isIntact } from '../lake/held-rows.ts'
import { HeldWindow } from '../lake/held-window.ts'
import { isSettled, lateInQuarantine, takesLateRows, whyTooLate } from '../lake/late-rows.ts'
import { LateShelf } from '../lake/late-shelf.ts'
import { partitionOf } from '../lake/layout.ts'
import { LATE, quarantinedSessions, readQuarantine, type QuarantinedRow } from '../lake/quarantine.ts'
import { eventsOf, rowsNotHeld, type Identity } from '../lake/row-names.ts'
import { sessionRuns } from '../lake/scan.ts'
import type { CellVerdict } from '../lake/series-contract.ts'
import type { RecordContext } from './record-context.ts'
import { liveIdentity } from './stream/channels.ts'

/** A session that has late rows in quarantine, or can get some. */
interface WatchedSession {
  readonly shelf: LateShelf
  /** Where rows that the lake lacks come too late: why, and what it holds. */
  readonly tooLate?: { readonly why: string; readonly held: HeldWindow }
  /** Rows that came and are not late. */
  taken: number
}

/**
 * Sessions that are asked for anew although they were settled: rows of them that the lake lacks came late. Beyond the
 * window they are kept out of the lake, and with the late rows that quarantine holds already they stay there, until
 * the lake takes rows under their keys. Memory grows with the late rows, not with those that are held.
 */
export class LateRecheck {
  readonly #context: RecordContext
  readonly #identity: Identity
  readonly #sessions = new Map<string, WatchedSession>()

  private constructor(context: RecordContext) {
    const { dataset } = context.writer.options.series
    this.#context = context
    this.#identity = { dataset, columns: liveIdentity(dataset) ?? dataset.key }
  }

  /**
   * @param dates sessions that are about to be recorded
   * @throws {IntegrityError} when the quarantine of one of them is damaged
   */
  static async open(context: RecordContext, dates: readonly string[]): Promise<LateRecheck> {
    const late = new LateRecheck(context)
    const { root, series } = context.writer.options
    const refused = new Set(await quarantinedSessions(root, series))
    for (const date of dates) {
      const rows = refused.has(date) ? await readQuarantine(root, series, date) : []
      const tooLate = await late.#tooLate(date, rows)
      if (!tooLate && rows.every(({ rule }) => rule !== LATE)) continue
      const shelf = new LateShelf(late.#identity, rows)
      late.#sessions.set(date, { shelf, ...(tooLate ? { tooLate } : {}), taken: 0 })
    }
    return late
  }

  async #tooLate(date: string, rows: readonly QuarantinedRow[]): Promise<WatchedSession['tooLate']> {
    const { writer, late, takesLate = false } = this.#context
    const cell = writer.ledger.cells[date]
    if (!late || takesLateRows(takesLate, rows) || !isSettled(cell)) return undefined
    const why = whyTooLate(this.#identity.dataset, date, late)
    if (why === undefined) return undefined
    // Of damaged rows nobody knows any more which they were: what comes now mends them.
    const partition = partitionOf(this.#identity.dataset, date)
    const isSound = cell?.rows === 0 || (await writer.exclusively(() => isIntact(writer, partition)))
    return isSound ? { why, held: new HeldWindow(writer, date) } : undefined
  }

  /** Lets pass what is not too late. `onLate` sees the rows that are. Rows of a batch are in order of key. */
  stage(onLate: (rows: Batch) => void): Stage {
    const part = (batch: Batch): Promise<Batch> => this.#withoutLate(batch, onLate)
    return async function* withoutLate(batches) {
      for await (const batch of batches) {
        const kept = await part(batch)
        if (kept.length > 0) yield kept
      }
    }
  }

  async #withoutLate(batch: Batch, onLate: (rows: Batch) => void): Promise<Batch> {
    if (this.#sessions.size === 0) return batch
    const late = new Set<number>()
    let at = 0
    for (const { date, rows } of sessionRuns(this.#identity.dataset, batch)) {
      const session = this.#sessions.get(date ?? '')
      if (session) for (const row of await this.#lateOf(session, rows, onLate)) late.add(at + row)
      at += rows.length
    }
    return late.size === 0 ? batch : without(batch, late)
  }

  /** Places of those of `rows` that are too late; they are on the shelf then. */
  async #lateOf(
    session: WatchedSession,
    rows: Batch,
    onLate: (rows: Batch) => void,
  ): Promise<readonly number[]> {
    const { shelf, tooLate } = session
    const event = eventsOf(rows, this.#identity)
    const held = tooLate?.held.between(event(0), event(rows.length - 1))
    const places = held ? await rowsNotHeld(rows, held, this.#identity) : []
    session.taken += rows.length - places.length
    shelf.take(places.length === 0 ? rows : without(rows, new Set(places)))
    if (tooLate && places.length > 0) {
      const late = takeRows(rows, places)
      shelf.add(lateInQuarantine(late, tooLate.why, this.#context.writer.options.runId))
      onLate(late)
    }
    return places
  }

  /** Late rows that quarantine is to hold of `date`. */
  rowsOf(date: string): readonly QuarantinedRow[] {
    return this.#sessions.get(date)?.shelf.rows ?? []
  }

  /** Whether rows of `date` that the lake lacks are too late for it. */
  isTooLate(date: string): boolean {
    return this.#sessions.get(date)?.tooLate !== undefined
  }

  /** The verdict on a session of which rows came, where all of them are too late: it stays what it is. */
  unchanged(date: string): CellVerdict | undefined {
    const session = this.#sessions.get(date)
    const cell = this.#context.writer.ledger.cells[date]
    if (!cell || !session?.tooLate || session.taken > 0) return undefined
    return { state: cell.state, reason: cell.reason }
  }

  /** Rows that are too late and were not in quarantine yet. */
  get added(): number {
    return [...this.#sessions.values()].reduce((sum, { shelf }) => sum + shelf.added, 0)
  }

  /** Ends the reading of what is held. */
  async close(): Promise<void> {
    for (const { tooLate } of this.#sessions.values()) await tooLate?.held.close()
  }
}

const without = (batch: Batch, rows: ReadonlySet<number>): Batch =>
  takeRows(
    batch,
    Array.from({ length: batch.length }, (_, row) => row).filter((row) => !rows.has(row)),
  )
