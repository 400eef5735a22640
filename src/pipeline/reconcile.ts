import { stringAt, type Batch, type StringColumn } from '../core/batch.ts'
import { concatBatches } from '../core/batch-concat.ts'
import { collect } from '../core/flow.ts'
import { dedupLastWins } from '../core/sort.ts'
import type { ParquetEngine } from '../lake/engine.ts'
import { partitionOf } from '../lake/layout.ts'
import type { RowPair } from '../lake/reconcile.ts'
import { rowsOfSessions } from '../lake/row-diff.ts'
import type { SeriesView } from '../lake/series-store.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import type { HistorySource } from '../sources/history.ts'
import { mappingOf } from '../sources/polygon/wire/fields.ts'
import { validate } from '../stages/validate.ts'
import { planSeries } from './plan.ts'

/** Partitions that hold `dates`, in order. Rows of a partition lie in one file, sorted by key. */
export const partitionsOf = (
  { series: { dataset } }: SeriesView,
  dates: readonly string[],
): readonly string[] => [...new Set(dates.map((date) => partitionOf(dataset, date)))].sort()

/** The rows of `dates` in one partition, sorted by key. */
export async function* partitionRows(
  { series: { dataset }, ledger, files }: SeriesView,
  partition: string,
  dates: readonly string[],
  engine: ParquetEngine,
): AsyncGenerator<Batch> {
  const at = ledger.segments.findIndex((segment) => segment.partition === partition)
  if (at >= 0) yield* rowsOfSessions(dataset, engine.read(dataset, [files[at]!]), new Set(dates))
}

/** Whether history of `dataset` can be asked for. */
export const isServed = (dataset: DatasetDefinition): boolean => mappingOf(dataset) !== undefined

interface Asking {
  readonly engine: ParquetEngine
  readonly source: HistorySource
  readonly signal: AbortSignal
}

/**
 * Pairs the rows held of `dates` with what `source` says of them now, as few requests as its pages allow; of options
 * one for every contract that is held and day. Rows that break a rule are left out: they would not be in the lake.
 *
 * @throws {VendorError} when the source does not answer or refuses
 */
export async function* pairsWithSource(
  view: SeriesView,
  dates: readonly string[],
  asking: Asking,
): AsyncGenerator<RowPair> {
  const { dataset } = view.series
  if (seriesKeyOf(dataset) === 'underlying') {
    for (const date of dates) yield await contractsOn(view, date, asking)
    return
  }
  const { source } = asking
  const range = { from: dates[0]!, to: dates.at(-1)! }
  const limits = source.limits(dataset)
  const { items } = planSeries({
    ...{ series: view.series, range, ledger: view.ledger, limits, nowMs: Infinity, force: false },
    only: new Set(dates),
  })
  for (const { from, to, sessions } of items.toReversed()) {
    const right = await ask(view.series.ticker, { dataset, from, to, sessions }, asking)
    yield { left: heldOf(view, sessions, asking.engine), right: each(right) }
  }
}

async function* heldOf(view: SeriesView, dates: readonly string[], engine: ParquetEngine) {
  for (const partition of partitionsOf(view, dates)) yield* partitionRows(view, partition, dates, engine)
}

async function contractsOn(view: SeriesView, date: string, asking: Asking): Promise<RowPair> {
  const { dataset } = view.series
  const held = await collect(heldOf(view, [date], asking.engine))
  const contracts = new Set(
    held.flatMap((batch) => {
      const tickers = batch.columns['ticker'] as StringColumn
      return [...tickers.codes.keys()].map((row) => stringAt(tickers, row)!)
    }),
  )
  const found: Batch[] = []
  const wanted = { dataset, from: date, to: date, sessions: [date] }
  for (const contract of contracts) found.push(...(await ask(contract, wanted, asking)))
  return { left: each(held), right: each(sorted(dataset, found)) }
}

interface Wanted {
  readonly dataset: DatasetDefinition
  readonly from: string
  readonly to: string
  readonly sessions: readonly string[]
}

async function ask(ticker: string, wanted: Wanted, { source, signal }: Asking): Promise<readonly Batch[]> {
  const { dataset, from, to, sessions } = wanted
  const stage = validate(dataset, { ticker, onRefused: () => undefined })
  const answer = stage(source.read({ dataset, ticker, from, to }, signal))
  return sorted(dataset, await collect(rowsOfSessions(dataset, answer, new Set(sessions))))
}

const sorted = ({ key }: DatasetDefinition, batches: readonly Batch[]): readonly Batch[] =>
  batches.length === 0 ? [] : [dedupLastWins(concatBatches(batches), key)]

async function* each(batches: readonly Batch[]): AsyncGenerator<Batch> {
  yield* batches
}
