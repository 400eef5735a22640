import { constantString, type Batch, type ColumnData } from '../../src/core/batch.ts'
import type { Batches } from '../../src/core/flow.ts'
import { equityBars1m } from '../../src/market/datasets/equity-bars.ts'

/** 2025-01-03 14:30 UTC, the open of a session, in microseconds. */
export const OPEN_US = Date.parse('2025-01-03T14:30:00Z') * 1000
export const MINUTE_US = 60_000_000

/** What differs from a bar in which nothing is wrong. */
export interface BarChanges {
  readonly ticker?: string
  /** Minutes after {@link OPEN_US}. */
  readonly minute?: number
  readonly timestamp?: number
  readonly open?: number
  readonly high?: number
  readonly low?: number
  readonly close?: number
  readonly volume?: number
  readonly vwap?: number
  readonly trade_count?: number
}

const GOOD = { open: 10, high: 12, low: 9, close: 11, volume: 100.5, vwap: 10.5, trade_count: 7 }

/** A batch of made-up minute bars of SPY, one per argument; a bar without a minute follows the one before it. */
export function bars(...changes: readonly BarChanges[]): Batch {
  const numbers = (name: keyof typeof GOOD): Float64Array =>
    Float64Array.from(changes, (change) => change[name] ?? GOOD[name])
  const columns: Record<string, ColumnData> = {
    ticker: tickers(changes),
    timestamp: Float64Array.from(
      changes,
      (change, i) => change.timestamp ?? OPEN_US + (change.minute ?? i) * MINUTE_US,
    ),
  }
  for (const name of Object.keys(GOOD) as (keyof typeof GOOD)[]) columns[name] = numbers(name)
  return { dataset: equityBars1m.name, length: changes.length, schema: equityBars1m.columns, columns }
}

function tickers(changes: readonly BarChanges[]): ColumnData {
  if (changes.every(({ ticker }) => ticker === undefined)) return constantString('SPY', changes.length)
  const dictionary = [...new Set(changes.map(({ ticker }) => ticker ?? 'SPY'))]
  return { codes: Int32Array.from(changes, ({ ticker }) => dictionary.indexOf(ticker ?? 'SPY')), dictionary }
}

/** A flow of these batches. */
export async function* flowOf(...batches: readonly Batch[]): Batches {
  for (const batch of batches) yield await Promise.resolve(batch)
}
