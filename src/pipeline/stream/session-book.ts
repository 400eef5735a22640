import { requireColumn, rowAt, takeRows, type Batch } from '../../core/batch.ts'
import { collect, type Stage } from '../../core/flow.ts'
import type { KeptLine } from '../../lake/kept-events.ts'
import type { SeriesId } from '../../lake/layout.ts'
import { quarantinedRows } from '../../lake/quarantine.ts'
import { seriesKeyOf, type DatasetDefinition } from '../../market/dataset.ts'
import { sessionDates } from '../../market/session-rows.ts'
import { parseOptionSymbol } from '../../market/symbols.ts'
import { validate } from '../../stages/validate.ts'
import { LiveSeries } from './live-series.ts'

/**
 * Everything received that the lake may not hold yet: rows by session and series. Mostly one session; a journal
 * found at the start may bring an earlier one.
 */
export class SessionBook {
  readonly #runId: string
  readonly #series = new Map<string, LiveSeries>()
  readonly #underlyings = new Map<string, string>()
  /** Made once per series: rules are compiled, and batches are small. */
  readonly #stages = new WeakMap<LiveSeries, Stage>()
  readonly #onStrays: (events: readonly KeptLine[]) => void
  /** Rows that belong to no session. */
  strays = 0

  /** @param onStrays where rows go that belong to no session, and so to no series of the lake */
  constructor(runId: string, onStrays: (events: readonly KeptLine[]) => void = () => undefined) {
    this.#runId = runId
    this.#onStrays = onStrays
  }

  /** Every series so far, in order of appearance. */
  get all(): readonly LiveSeries[] {
    return [...this.#series.values()]
  }

  on(date: string): readonly LiveSeries[] {
    return this.all.filter((series) => series.date === date)
  }

  /** The rows of `id` on `date`; made if they are new. */
  open(id: SeriesId, date: string): LiveSeries {
    const name = `${date} ${id.dataset.name} ${id.ticker}`
    const known = this.#series.get(name)
    if (known) return known
    const series = new LiveSeries(id, date)
    this.#series.set(name, series)
    return series
  }

  /**
   * Takes received rows of any tickers and sessions: what breaks a rule of the dataset goes to quarantine.
   *
   * @param receivedMs per row, when it was received, ms since the epoch; default now
   */
  async take(dataset: DatasetDefinition, batch: Batch, receivedMs?: Float64Array): Promise<void> {
    for (const { series, rows } of this.#split(dataset, batch, receivedMs)) {
      for (const good of await this.refine(series, rows)) series.addLive(good)
    }
  }

  /** The rows of `batch` that keep the rules; the others are noted as refused. */
  async refine(series: LiveSeries, batch: Batch): Promise<readonly Batch[]> {
    return await collect(this.#stageOf(series)(only(batch)))
  }

  #stageOf(series: LiveSeries): Stage {
    const known = this.#stages.get(series)
    if (known) return known
    const stage = validate(series.id.dataset, {
      onRefused: (from, refusals) => series.addRefused(quarantinedRows(from, refusals, this.#runId)),
    })
    this.#stages.set(series, stage)
    return stage
  }

  *#split(
    dataset: DatasetDefinition,
    batch: Batch,
    receivedMs: Float64Array | undefined,
  ): Generator<{ series: LiveSeries; rows: Batch }> {
    const strays: KeptLine[] = []
    const { dates, codes } = sessionDates(dataset, batch)
    const tickers = requireColumn(batch, 'ticker', 'string')
    const groups = new Map<string, { series: LiveSeries; rows: number[] }>()
    for (let row = 0; row < batch.length; row++) {
      const date = dates[codes[row]!]
      const ticker = tickers.dictionary[tickers.codes[row]!]
      if (date === undefined || ticker === undefined) {
        strays.push(strayOf(batch, row, receivedMs?.[row] ?? Date.now()))
        continue
      }
      const name = `${date} ${ticker}`
      const group = groups.get(name) ?? { series: this.#seriesOf(dataset, ticker, date), rows: [] }
      group.rows.push(row)
      groups.set(name, group)
    }
    this.strays += strays.length
    if (strays.length > 0) this.#onStrays(strays)
    for (const { series, rows } of merged(groups.values())) yield { series, rows: takeRows(batch, rows) }
  }

  #seriesOf(dataset: DatasetDefinition, ticker: string, date: string): LiveSeries {
    return this.open({ dataset, ticker: this.#ownerOf(dataset, ticker) }, date)
  }

  #ownerOf(dataset: DatasetDefinition, ticker: string): string {
    if (seriesKeyOf(dataset) === 'ticker') return ticker
    const known = this.#underlyings.get(ticker) ?? parseOptionSymbol(ticker).underlying
    this.#underlyings.set(ticker, known)
    return known
  }
}

/** A row outside of every session, as it was sent. */
function strayOf(batch: Batch, row: number, receivedMs: number): KeptLine {
  const raw = batch.sentText?.(row) ?? JSON.stringify(rowAt(batch, row), exactText)
  const reason = `a row of ${batch.dataset} outside every session of its exchange`
  return { rule: 'outside_session', raw, reason, receivedMs }
}

const exactText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)

interface Group {
  readonly series: LiveSeries
  readonly rows: readonly number[]
}

/** One group per series: contracts of one underlying go together. */
function merged(groups: Iterable<Group>): Iterable<Group> {
  const bySeries = new Map<LiveSeries, number[]>()
  for (const { series, rows } of groups) {
    const list = bySeries.get(series)
    if (list) list.push(...rows)
    else bySeries.set(series, [...rows])
  }
  return [...bySeries].map(([series, rows]) => ({ series, rows: rows.sort((a, b) => a - b) }))
}

async function* only(batch: Batch): AsyncGenerator<Batch> {
  yield batch
}
