import type { Batch } from '../../core/batch.ts'
import { IntegrityError } from '../../core/errors.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import {
  dividends as dividendsDataset,
  splits as splitsDataset,
} from '../../market/datasets/corporate-actions.ts'
import { equityBars1d } from '../../market/datasets/equity-bars.ts'
import { sessionDates } from '../../market/session-rows.ts'
import { daysToDate } from '../../market/time.ts'
import type { GapScanOptions } from '../gaps/gap.ts'
import type { Dividend, Split } from './history.ts'

/** A daily bar. */
export interface DayBar {
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
}

/** What else the lake knows of a ticker. */
export interface SeriesEvents {
  /** Undefined where its splits were never recorded. */
  readonly splits: readonly Split[] | undefined
  readonly dividends: readonly Dividend[]
  /** By session. */
  readonly days: ReadonlyMap<string, DayBar>
}

/**
 * Splits, dividends and daily bars of `ticker`, as far as they are held. Splits count as known only where they were
 * recorded for all of `range`.
 */
export async function readEvents(
  ticker: string,
  options: GapScanOptions,
  range: { readonly from: string; readonly to: string },
): Promise<SeriesEvents> {
  const splits: Split[] = []
  for await (const { columns, length } of rowsOf(splitsDataset, ticker, options)) {
    const [dates, from, to] = ['execution_date', 'split_from', 'split_to'].map(
      (name) => columns[name] as Float64Array,
    )
    for (let row = 0; row < length; row++) {
      splits.push({ date: daysToDate(dates![row]!), from: from![row]!, to: to![row]!, source: 'recorded' })
    }
  }
  const dividends: Dividend[] = []
  for await (const { columns, length } of rowsOf(dividendsDataset, ticker, options)) {
    const [dates, amounts] = ['ex_dividend_date', 'cash_amount'].map((name) => columns[name] as Float64Array)
    for (let row = 0; row < length; row++) {
      dividends.push({ date: daysToDate(dates![row]!), amount: amounts![row]! })
    }
  }
  const known = await isKnown(ticker, options, range)
  return {
    splits: known || splits.length > 0 ? splits : undefined,
    dividends,
    days: await daysOf(ticker, options),
  }
}

async function isKnown(
  ticker: string,
  { view }: GapScanOptions,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<boolean> {
  const { ledger } = await view({ dataset: splitsDataset, ticker })
  const settled = Object.keys(ledger.cells)
    .filter((date) => ['complete', 'empty'].includes(ledger.cells[date]!.state))
    .sort()
  return settled.length > 0 && settled[0]! <= from && settled.at(-1)! >= to
}

async function daysOf(ticker: string, options: GapScanOptions): Promise<ReadonlyMap<string, DayBar>> {
  const days = new Map<string, DayBar>()
  for await (const batch of rowsOf(equityBars1d, ticker, options)) {
    const { dates, codes } = sessionDates(equityBars1d, batch)
    const [high, low, close, volume] = ['high', 'low', 'close', 'volume'].map(
      (name) => batch.columns[name] as Float64Array,
    )
    codes.forEach((code, row) => {
      if (code < 0) return
      days.set(dates[code]!, {
        high: high![row]!,
        low: low![row]!,
        close: close![row]!,
        volume: volume![row]!,
      })
    })
  }
  return days
}

/** All rows of a series. Damaged files bring none. */
async function* rowsOf(
  dataset: DatasetDefinition,
  ticker: string,
  { view, engine }: GapScanOptions,
): AsyncGenerator<Batch> {
  const { files } = await view({ dataset, ticker })
  try {
    if (files.length > 0) yield* engine.read(dataset, files)
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error
  }
}
