import type { Batches } from '../core/flow.ts'
import { EntitlementError, messageOf, NotFoundError, isRequestFailure } from '../core/errors.ts'
import type { CellVerdict } from '../lake/series-contract.ts'
import type { SeriesId } from '../lake/layout.ts'
import { calendarOf } from '../market/calendar/index.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { equityBars1d } from '../market/datasets/equity-bars.ts'
import { sessionDates } from '../market/session-rows.ts'
import { addDays } from '../market/time.ts'
import type { HistorySource } from '../sources/history.ts'
import type { SessionRange } from './range.ts'
import { settledBy } from './settled.ts'

/** What the daily bars say: the sessions that traded; nothing, for this dataset or plan; or they did not come. */
type Witness = { readonly traded: ReadonlySet<string> } | 'none' | { readonly failure: string }

/** How often daily bars are asked for at most; enough where every answer has the second half of what was asked for. */
const WITNESS_ASKS = 16

/** What a judge has found out about a series; plain data, so that another process can go on from it. */
export interface SilenceMemory {
  /** From this session on the plan is known to cover the data. */
  readonly coveredFrom?: string
  /** Up to this session the plan is known not to cover the data. */
  readonly refusedTo?: string
  /** Sessions with a daily bar, of the whole range; `none`: no daily bars can be had. */
  readonly traded?: readonly string[] | 'none'
}

export interface SilenceOptions {
  readonly source: HistorySource
  readonly series: SeriesId
  /** All sessions of the run. */
  readonly range: SessionRange
  /** The present instant, UTC epoch milliseconds. */
  readonly nowMs: number
  /** What an earlier judge of the same series and range has found out. */
  readonly memory?: SilenceMemory
}

/**
 * What a vendor's silence about a session means. An answer without rows of a session may mean that nothing
 * traded, that the plan's history begins later (vendors cut ranges silently), or that the vendor lost them. So
 * silence is asked about: the stretch before the first row once more by itself, and the daily bars as a witness.
 * The answers are kept for the whole series, so a backfill of years asks only a few times.
 */
export class SilenceJudge {
  readonly #source: HistorySource
  readonly #dataset: DatasetDefinition
  readonly #ticker: string
  readonly #range: SessionRange
  /** The last session that has ended: a vendor may serve it later, some plans on the next day only. */
  readonly #latest: string
  #coveredFrom: string | undefined
  #refusedTo: string | undefined
  #witness: Promise<Witness> | undefined

  constructor({ source, series, range, nowMs, memory = {} }: SilenceOptions) {
    this.#source = source
    this.#dataset = series.dataset
    this.#ticker = series.ticker
    this.#range = range
    this.#latest = calendarOf(series.dataset.calendar).lastFinished(settledBy(nowMs)).date
    this.#coveredFrom = memory.coveredFrom
    this.#refusedTo = memory.refusedTo
    const { traded } = memory
    if (traded) this.#witness = Promise.resolve(traded === 'none' ? traded : { traded: new Set(traded) })
  }

  /** What was found out so far. */
  async memory(): Promise<SilenceMemory> {
    const witness = await this.#witness?.catch(() => undefined)
    const traded =
      witness === 'none' ? witness : witness && 'traded' in witness ? [...witness.traded] : undefined
    return {
      ...(this.#coveredFrom === undefined ? {} : { coveredFrom: this.#coveredFrom }),
      ...(this.#refusedTo === undefined ? {} : { refusedTo: this.#refusedTo }),
      ...(traded === undefined ? {} : { traded }),
    }
  }

  /** True when the plan is known not to cover `date`. */
  refuses(date: string): boolean {
    return this.#refusedTo !== undefined && date <= this.#refusedTo
  }

  /** Remembers a refusal: a plan's history has one beginning, so everything before `date` is refused too. */
  noteRefused(date: string): void {
    if (!this.refuses(date)) this.#refusedTo = date
  }

  /** Remembers that rows of `date` came. */
  noteCovered(date: string): void {
    if (this.#coveredFrom === undefined || date < this.#coveredFrom) this.#coveredFrom = date
  }

  /** True when silence about `date` cannot be the plan's doing. */
  isCovered(date: string): boolean {
    return this.#coveredFrom !== undefined && date >= this.#coveredFrom
  }

  /**
   * How many of `silent` (ascending) the plan does not cover: those before its beginning, which is searched for
   * by asking for single sessions. Costs no call where it is known already, one where all are covered.
   */
  async countRefused(silent: readonly string[], signal: AbortSignal): Promise<number> {
    let [refused, covered] = [0, silent.length]
    for (let at = 0; refused < covered; at = Math.floor((refused + covered) / 2)) {
      if (await this.#covers(silent[at]!, signal)) covered = at
      else refused = at + 1
    }
    return refused
  }

  async #covers(date: string, signal: AbortSignal): Promise<boolean> {
    if (this.isCovered(date)) return true
    if (this.refuses(date)) return false
    const covers = await this.#isServed(this.#request(this.#dataset, { from: date, to: date }, signal))
    if (covers) this.noteCovered(date)
    else this.noteRefused(date)
    return covers
  }

  /** Drains `batches`; false when the vendor refuses them as not covered by the plan. */
  async #isServed(batches: Batches): Promise<boolean> {
    try {
      for await (const _batch of batches) break
      return true
    } catch (error) {
      if (error instanceof EntitlementError) return false
      throw error
    }
  }

  /**
   * Whether a silent session deserves a second question: the vendor has a daily bar of it, or no daily bars that
   * could tell.
   */
  async isSuspicious(date: string, signal: AbortSignal): Promise<boolean> {
    const witness = await this.#ask(signal)
    return witness === 'none' || ('traded' in witness && witness.traded.has(date))
  }

  /** The verdict on a session that stayed silent although the plan covers it. */
  async verdict(date: string, signal: AbortSignal): Promise<CellVerdict> {
    if (this.#dataset.eventKind === 'date') return { state: 'empty', reason: 'none on this date' }
    const witness = await this.#ask(signal)
    if (witness !== 'none' && 'failure' in witness) {
      return { state: 'missing', reason: `no rows, and no daily bars to explain it: ${witness.failure}` }
    }
    if (witness !== 'none' && witness.traded.has(date)) {
      return { state: 'missing', reason: 'the vendor has a daily bar of this session but no rows' }
    }
    if (date >= this.#latest) return { state: 'pending', reason: 'the vendor has nothing of it yet' }
    return witness === 'none'
      ? { state: 'empty', reason: 'the vendor answered twice without rows' }
      : { state: 'empty', reason: 'no trades: the vendor has no daily bar of this session either' }
  }

  /** Asks for the daily bars of the whole range, once. */
  async #ask(signal: AbortSignal): Promise<Witness> {
    return this.#dataset.eventKind === 'instant'
      ? await (this.#witness ??= this.#askDailyBars(signal))
      : 'none'
  }

  /** An answer that begins late may be cut as well: what lies before it is asked for by itself, until nothing comes. */
  async #askDailyBars(signal: AbortSignal): Promise<Witness> {
    const traded = new Set<string>()
    let range: SessionRange | undefined = this.#range
    try {
      for (let asked = 0; range && asked < WITNESS_ASKS; asked++) {
        const first: string | undefined = await this.#addDailyBars(range, traded, signal)
        range = first !== undefined && first > range.from ? { ...range, to: addDays(first, -1) } : undefined
      }
      return { traded }
    } catch (error) {
      if (error instanceof EntitlementError || error instanceof NotFoundError)
        return traded.size > 0 ? { traded } : 'none'
      if (!isRequestFailure(error)) throw error
      return { failure: messageOf(error) }
    }
  }

  /** Adds the sessions of `range` that have a daily bar to `traded`; the first of them. */
  async #addDailyBars(
    range: SessionRange,
    traded: Set<string>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const found: string[] = []
    for await (const batch of this.#request(equityBars1d, range, signal))
      found.push(...sessionDates(equityBars1d, batch).dates.filter((date) => date <= range.to))
    for (const date of found) traded.add(date)
    return found.sort()[0]
  }

  #request(dataset: DatasetDefinition, range: SessionRange, signal: AbortSignal): Batches {
    return this.#source.read({ dataset, ticker: this.#ticker, ...range }, signal)
  }
}
