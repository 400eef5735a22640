import { stringAt, takeRows, type Batch, type StringColumn } from '../core/batch.ts'
import { IntegrityError } from '../core/errors.ts'
import { heldRows } from '../lake/held-rows.ts'
import {
  isSettled,
  lateInQuarantine,
  takesLateRows,
  whyTooLate,
  type LateOptions,
  type TakesLate,
} from '../lake/late-rows.ts'
import { LateShelf } from '../lake/late-shelf.ts'
import { LATE, readQuarantine, type QuarantinedRow } from '../lake/quarantine.ts'
import { rowNamer, type Identity } from '../lake/row-names.ts'
import type { SeriesWriter } from '../lake/series-writer.ts'
import type { OptionDay } from './option-plan.ts'

/** What is late of one contract. */
interface Sorted {
  /** Rows for the lake. */
  readonly rows: readonly Batch[]
  /** Rows that came too late for it. */
  readonly tooLate: readonly QuarantinedRow[]
}

export interface OptionLateOptions {
  readonly writer: SeriesWriter
  /** Default: nothing is too late. */
  readonly late?: Pick<LateOptions, 'lateDays' | 'nowMs'> | undefined
  /** Nothing is too late. */
  readonly takesLate: TakesLate
}

/**
 * Late rows of the contracts of one day that was settled: those of contracts that were asked for before, and that the
 * lake lacks. A contract that was discovered since brings nothing late.
 */
export class OptionLate {
  readonly #writer: SeriesWriter
  readonly #identity: Identity
  readonly #why: string | undefined
  readonly #shelf: LateShelf
  /** Names of the rows held; undefined: nothing is late. */
  readonly #held: ReadonlySet<string> | undefined
  readonly #asked: Set<string>
  #merged = 0

  private constructor(
    { writer, late, takesLate }: OptionLateOptions,
    { date, askedBefore }: OptionDay,
    held: readonly Batch[] | undefined,
    before: readonly QuarantinedRow[],
  ) {
    const { dataset } = writer.options.series
    this.#writer = writer
    this.#identity = { dataset, columns: dataset.key }
    this.#why = late && !takesLateRows(takesLate, before) ? whyTooLate(dataset, date, late) : undefined
    this.#shelf = new LateShelf(this.#identity, before)
    this.#asked = new Set(askedBefore)
    this.#held = held && this.#namesOf(held)
  }

  /** @throws {IntegrityError} when the quarantine of the day is damaged */
  static async open(day: OptionDay, options: OptionLateOptions): Promise<OptionLate> {
    const { writer } = options
    const { root, series } = writer.options
    const isAnew = isSettled(writer.ledger.cells[day.date]) && day.toFetch.length > 0
    const held = isAnew ? await heldOf(writer, day.date) : undefined
    return new OptionLate(options, day, held, await readQuarantine(root, series, day.date))
  }

  /** Of a contract with rows it is known that it was asked for, whatever else was lost. */
  #namesOf(held: readonly Batch[]): ReadonlySet<string> {
    const names = new Set<string>()
    for (const batch of held) {
      const name = rowNamer(batch, this.#identity)
      const contracts = batch.columns['ticker'] as StringColumn
      for (let row = 0; row < batch.length; row++) {
        names.add(name(row))
        this.#asked.add(stringAt(contracts, row) ?? '')
      }
    }
    return names
  }

  /** Tells the rows of `contract` that the lake takes from those that are too late. */
  sort(contract: string, batches: readonly Batch[]): Sorted {
    if (!this.#held || !this.#asked.has(contract)) return { rows: batches, tooLate: [] }
    const rows: Batch[] = []
    const tooLate: QuarantinedRow[] = []
    for (const batch of batches) {
      const name = rowNamer(batch, this.#identity)
      const places = Array.from({ length: batch.length }, (_, row) => row)
      const isHeld = places.map((row) => this.#held!.has(name(row)))
      const late = places.filter((row) => !isHeld[row])
      if (this.#why === undefined) this.#merged += late.length
      if (this.#why === undefined || late.length === 0) {
        rows.push(batch)
        continue
      }
      tooLate.push(...lateInQuarantine(takeRows(batch, late), this.#why, this.#writer.options.runId))
      const known = places.filter((row) => isHeld[row])
      if (known.length > 0) rows.push(takeRows(batch, known))
    }
    return { rows, tooLate }
  }

  /** The lake takes these rows. */
  take(rows: Batch): void {
    this.#shelf.take(rows)
  }

  /** What quarantine is to hold of the day, where the contracts asked for now brought these. */
  quarantine(refused: readonly QuarantinedRow[]): readonly QuarantinedRow[] {
    this.#shelf.add(refused.filter(({ rule }) => rule === LATE))
    return [...refused.filter(({ rule }) => rule !== LATE), ...this.#shelf.rows]
  }

  get counts(): { readonly merged: number; readonly quarantined: number } {
    return { merged: this.#merged, quarantined: this.#shelf.added }
  }
}

/** Rows of the day; undefined where they are damaged: what comes now mends them. */
async function heldOf(writer: SeriesWriter, date: string): Promise<readonly Batch[] | undefined> {
  const held: Batch[] = []
  try {
    for await (const batch of heldRows(writer, date)) held.push(batch)
    return held
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error
    return undefined
  }
}
