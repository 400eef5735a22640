import { requireColumn, takeRows, withoutSentText, type Batch } from '../../core/batch.ts'
import { concatBatches } from '../../core/batch-concat.ts'
import { dedupLastWins } from '../../core/sort.ts'
import type { SeriesId } from '../../lake/layout.ts'
import type { QuarantinedRow } from '../../lake/quarantine.ts'
import { US_PER_MS } from '../../market/time.ts'
import { liveIdentity } from './channels.ts'
import { compactTickers, ownStrings } from './own-strings.ts'

/** Rows received since the last merge; beyond it they are merged, so that repeats do not pile up. */
const MERGE_AT_ROWS = 50_000
/** Batches received after which they are joined: a frame brings few rows of each series. */
const JOIN_AT_BATCHES = 256
/** Refused rows kept of a cell for quarantine; more are only counted. */
const MOST_REFUSED = 10_000

/**
 * The rows of one series in one session while it is being recorded, by key: the last received wins, and what REST
 * brought wins over everything received.
 *
 * Memory: bars are the rows of the session as columns, twice at most while they are merged. Of ticks, which come by
 * the million and which REST replaces as a whole, only those that the lake does not hold yet are kept.
 */
export class LiveSeries {
  readonly id: SeriesId
  readonly date: string
  /** False: rows that the lake holds are let go. */
  readonly keepsRows: boolean
  readonly refused: QuarantinedRow[] = []
  refusedCount = 0
  /** Rows that came after the cell was complete: merged into it, or too late and in quarantine. */
  late = { merged: 0, quarantined: 0 }
  /** Rows received, repeats included. */
  received = 0
  /** What brought the rows: paths of requests, and the live channel. */
  readonly requests = new Set<string>()
  #merged: Batch | undefined
  #recent: Batch[] = []
  #recentRows = 0
  /** Batches at the end of `#recent` that were not joined yet. */
  #loose = 0
  #rest: Batch | undefined
  #version = 0
  #isHeld = false
  #committed = 0
  /** Ticks that are being committed. */
  #leaving: Batch | undefined
  #isInLake = false

  constructor(id: SeriesId, date: string) {
    this.id = id
    this.date = date
    this.keepsRows = liveIdentity(id.dataset) === undefined
  }

  /** True when there is something that the lake does not hold. */
  get isChanged(): boolean {
    return this.#version > this.#committed
  }

  get hasRows(): boolean {
    const isAny = this.#merged ?? this.#rest ?? this.#leaving
    return isAny !== undefined || this.#recentRows > 0 || this.#isInLake
  }

  get version(): number {
    return this.#version
  }

  /** The lake holds everything up to `version`: of ticks what was last taken to be committed. */
  noteCommitted(version: number): void {
    this.#committed = Math.max(this.#committed, version)
    this.#isInLake ||= this.hasRows
    this.#leaving = undefined
  }

  /** Ticks that the lake does not hold yet, sorted by key; they are kept until {@link noteCommitted}. */
  takeTicks(): Batch | undefined {
    this.#settle()
    this.#leaving = this.#merge([this.#leaving, this.#merged])
    this.#merged = undefined
    return this.#leaving
  }

  /** True once what the lake holds of the session was added. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Rows that the lake holds already; anything received wins over them. Further calls change nothing. */
  hold(batches: readonly Batch[], requests: readonly string[], isInLake = batches.length > 0): void {
    if (this.#isHeld) return
    this.#isHeld = true
    this.#isInLake = isInLake
    for (const request of requests) this.requests.add(request)
    this.#merged = this.#merge([...batches, this.#merged])
  }

  addLive(batch: Batch): void {
    this.received += batch.length
    this.#version++
    this.#note(batch)
    this.#recent.push(withoutSentText(ownStrings(batch)))
    this.#recentRows += batch.length
    if (++this.#loose >= JOIN_AT_BATCHES) this.#join()
    if (this.#recentRows > Math.max(MERGE_AT_ROWS, this.#merged?.length ?? 0)) this.#settle()
  }

  /** Rows from REST: they win over what is received, before and after. */
  addRest(batch: Batch): void {
    this.#version++
    this.#note(batch)
    this.#rest = this.#merge([this.#rest, withoutSentText(batch)])
  }

  /** From now on these are the rows of the session, whatever was received. */
  replaceAll(batch: Batch): void {
    this.#version++
    this.requests.clear()
    this.#note(batch)
    this.#merged = undefined
    this.#forgetRecent()
    this.#rest = withoutSentText(batch)
  }

  addRefused(rows: readonly QuarantinedRow[]): void {
    this.refusedCount += rows.length
    this.refused.push(...rows.slice(0, Math.max(0, MOST_REFUSED - this.refused.length)))
  }

  /** All rows, sorted by key, one per key; undefined: none. */
  rows(): Batch | undefined {
    this.#settle()
    return this.#merge([this.#merged, this.#rest])
  }

  /** Newest event among the rows received up to `untilMs`, ms since the epoch; undefined: none. */
  newestLiveMs(ticker: string, untilMs: number): number | undefined {
    this.#settle()
    const rows = this.#merged
    if (!rows) return undefined
    const tickers = requireColumn(rows, 'ticker', 'string')
    const times = requireColumn(rows, this.id.dataset.eventColumn, 'timestamp')
    for (let row = rows.length - 1; row >= 0; row--) {
      const ms = times[row]! / US_PER_MS
      if (ms <= untilMs && tickers.dictionary[tickers.codes[row]!] === ticker) return ms
    }
    return undefined
  }

  #note({ origin }: Batch): void {
    if (origin) this.requests.add(origin.request)
  }

  #join(): void {
    this.#recent.push(concatBatches(this.#recent.splice(-this.#loose)))
    this.#loose = 0
  }

  #settle(): void {
    if (this.#recent.length === 0) return
    this.#merged = this.#merge([this.#merged, ...this.#recent])
    this.#forgetRecent()
  }

  #forgetRecent(): void {
    this.#recent = []
    this.#recentRows = 0
    this.#loose = 0
  }

  #merge(batches: readonly (Batch | undefined)[]): Batch | undefined {
    const present = batches.filter((batch) => batch !== undefined && batch.length > 0) as Batch[]
    if (present.length === 0) return undefined
    return compactTickers(dedupLastWins(concatBatches(present), this.id.dataset.key))
  }
}

/** The rows of `batch` whose event lies in [fromMs, toMs). */
export function rowsBetween(batch: Batch, eventColumn: string, fromMs: number, toMs: number): Batch {
  const times = requireColumn(batch, eventColumn, 'timestamp')
  const rows: number[] = []
  for (let row = 0; row < batch.length; row++) {
    const ms = times[row]! / US_PER_MS
    if (ms >= fromMs && ms < toMs) rows.push(row)
  }
  return rows.length === batch.length ? batch : takeRows(batch, rows)
}
