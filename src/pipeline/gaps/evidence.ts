import { join } from 'node:path'
import { stringAt, type Batch, type ListColumn, type StringColumn } from '../../core/batch.ts'
import { IntegrityError } from '../../core/errors.ts'
import { readHeldSessions, type HeldContent, type HeldSession } from '../../lake/held-sessions.ts'
import type { Cell } from '../../lake/ledger.ts'
import { readQuarantine } from '../../lake/quarantine.ts'
import type { SeriesView } from '../../lake/series-store.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import { columnOf } from '../../market/dataset.ts'
import { equityBars1d } from '../../market/datasets/equity-bars.ts'
import { equityTrades } from '../../market/datasets/equity-ticks.ts'
import { US_PER_MS } from '../../market/time.ts'
import { DailyWitness } from './daily-witness.ts'
import type { SessionEvidence } from './judge.ts'
import type { GapScanOptions } from './gap.ts'

/**
 * Conditions of trades that make no price of a bar: average price, cash, contingent, derivative, form T, late and
 * corrected reports, odd lots, next day, prior reference price, seller, and the exchange's own closing and opening price.
 */
const PRICELESS: ReadonlySet<number> = new Set([
  ...[2, 7, 10, 12, 13, 15, 16, 17, 20, 21, 22, 28, 29, 32, 33, 37, 52, 53],
])

/** What else the lake holds of a series: refused rows, daily bars, trades. Read when it is asked for, and once. */
export class GapEvidence {
  readonly #view: SeriesView
  readonly #content: HeldContent
  readonly #options: GapScanOptions
  #daily: Promise<DailyWitness> | undefined
  #witness: DailyWitness | undefined
  #trades: Promise<SeriesView> | undefined

  constructor(view: SeriesView, content: HeldContent, options: GapScanOptions) {
    this.#view = view
    this.#content = content
    this.#options = options
  }

  async of(session: TradingSession, cell: Cell, held: HeldSession): Promise<SessionEvidence> {
    const isWhole = held.presence!.absent().length === 0
    if (isWhole) return { cell, quarantined: new Set(), traded: undefined, daily: () => 'unknown' }
    this.#witness = await (this.#daily ??= this.#openWitness())
    const isIntact = held.rows >= cell.rows
    return {
      cell,
      quarantined: await this.#quarantined(session, cell, held),
      traded: await this.#traded(session, held),
      daily: (volume) => (isIntact ? this.#witness!.testify(session.date, volume) : 'unknown'),
    }
  }

  /** Shares that the daily bar counts beyond the minutes, where that is sure. */
  lackingVolume(date: string, cell: Cell, held: HeldSession): number {
    return held.rows >= cell.rows ? (this.#witness?.lacking(date) ?? 0) : 0
  }

  /** Daily bars of the same ticker, where minutes can be added up. */
  async #openWitness(): Promise<DailyWitness> {
    const { dataset, ticker } = this.#view.series
    const sessions = this.#content.sessions
    if (!columnOf(dataset, 'volume')) return new DailyWitness(new Map(), sessions)
    const view = await this.#options.view({ dataset: equityBars1d, ticker })
    const dates = [...sessions.keys()].sort()
    const within = { from: dates[0] ?? '', to: dates.at(-1) ?? '' }
    const days = await readHeldSessions(view, this.#options.engine, within)
    const intact = [...sessions].filter(
      ([date, { rows }]) => rows >= (this.#view.ledger.cells[date]?.rows ?? 0),
    )
    const volumes = [...days.sessions].map(([date, { volume }]) => [date, volume] as const)
    return new DailyWitness(new Map(volumes), new Map(intact))
  }

  async #quarantined({ date }: TradingSession, cell: Cell, held: HeldSession): Promise<ReadonlySet<number>> {
    if ((cell.quarantined ?? 0) === 0) return new Set()
    const { startMs, lengthMs } = held.presence!.buckets
    const rows = await readQuarantine(this.#options.root, this.#view.series, date).catch(() => [])
    const events = rows.map(({ row }) => row[this.#view.series.dataset.eventColumn])
    return new Set(
      events.flatMap((us) =>
        typeof us === 'number' ? [Math.floor((us / US_PER_MS - startMs) / lengthMs)] : [],
      ),
    )
  }

  /** Places with trades that make a price; undefined where no trades of the whole session are held. */
  async #traded({ date }: TradingSession, held: HeldSession): Promise<ReadonlySet<number> | undefined> {
    const { dataset, ticker } = this.#view.series
    if (dataset === equityTrades || !columnOf(dataset, 'volume')) return undefined
    const view = await (this.#trades ??= this.#options.view({ dataset: equityTrades, ticker }))
    const segment = view.ledger.segments.find(({ partition }) => partition === date)
    if (view.ledger.cells[date]?.state !== 'complete' || !segment) return undefined
    try {
      return await this.#readTrades(join(this.#options.root, segment.path), held)
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error
      return undefined // damaged trades are no evidence
    }
  }

  async #readTrades(file: string, held: HeldSession): Promise<ReadonlySet<number>> {
    const { startMs, lengthMs } = held.presence!.buckets
    const columns = ['ticker', 'timestamp', 'conditions'].map((name) => columnOf(equityTrades, name)!)
    const places = new Set<number>()
    for await (const batch of this.#options.engine.read({ ...equityTrades, columns }, [file])) {
      const events = batch.columns['timestamp'] as Float64Array
      for (let row = 0; row < batch.length; row++) {
        if (makesPrice(batch, row)) places.add(Math.floor((events[row]! / US_PER_MS - startMs) / lengthMs))
      }
    }
    return places
  }
}

function makesPrice({ columns }: Batch, row: number): boolean {
  if (stringAt(columns['ticker'] as StringColumn, row) === null) return false
  const { offsets, values } = columns['conditions'] as ListColumn
  for (let i = offsets[row]!; i < offsets[row + 1]!; i++) if (PRICELESS.has(values[i]!)) return false
  return true
}
