import { describe, expect, test } from 'vitest'
import { rowAt, stringColumn, takeRows, type Batch, type StringColumn } from '../../../src/core/batch.ts'
import { equityTrades } from '../../../src/market/datasets/equity-ticks.ts'
import { LiveSeries, rowsBetween } from '../../../src/pipeline/stream/live-series.ts'
import { ownStrings } from '../../../src/pipeline/stream/own-strings.ts'

const START_MS = Date.parse('2025-06-10T14:00:00Z')

/** A frame of trades of two tickers in turn, each with its own id; `first` numbers them. */
function frame(first: number, length: number): Batch {
  const numbers = Array.from({ length }, (_, i) => first + i)
  const columns: Record<string, unknown> = {}
  for (const { name, type } of equityTrades.columns) {
    if (type === 'string') columns[name] = stringColumn(numbers.map((n) => `${name} ${n}`))
    else if (type === 'int_list')
      columns[name] = { offsets: new Uint32Array(length + 1), values: new Int32Array(0) }
    else if (type === 'ns')
      columns[name] = BigInt64Array.from(numbers, (n) => BigInt(START_MS + n) * 1_000_000n)
    else columns[name] = Float64Array.from(numbers)
  }
  columns['ticker'] = stringColumn(numbers.map((n) => (n % 2 === 0 ? 'SPY' : 'QQQ')))
  columns['timestamp'] = Float64Array.from(numbers, (n) => (START_MS + n) * 1000)
  return { dataset: 'equity_trades', length, schema: equityTrades.columns, columns } as Batch
}

/** The rows of SPY, split off as the book does it. */
const ofSpy = (batch: Batch): Batch =>
  takeRows(
    batch,
    Array.from({ length: batch.length }, (_, row) => row).filter((row) => row % 2 === 0),
  )
const strings = (batch: Batch): string[] =>
  equityTrades.columns
    .filter(({ type }) => type === 'string')
    .map(({ name }) => name)
    .filter((name) => (batch.columns[name] as StringColumn).dictionary.length > batch.length)

describe('rows split off a frame', () => {
  test('keep their values and leave the strings of the others behind', () => {
    const spy = ofSpy(frame(0, 100))
    const own = ownStrings(spy)
    expect(strings(spy)).not.toEqual([])
    expect(strings(own)).toEqual([])
    for (const row of [0, 7, 49]) expect(rowAt(own, row)).toEqual(rowAt(spy, row))
    expect(ownStrings(own)).toBe(own)
  })

  test('of thousands of frames are all there, in order, without a string too many', () => {
    const series = new LiveSeries({ dataset: equityTrades, ticker: 'SPY' }, '2025-06-10')
    const frames = 1500
    for (let i = 0; i < frames; i++) series.addLive(ofSpy(frame(i * 10, 10)))
    series.addLive(ofSpy(frame(0, 10))) // the first one again
    const rows = series.rows()!
    expect(rows.length).toBe(frames * 5)
    expect(series.received).toBe(frames * 5 + 5)
    expect(rowAt(rows, rows.length - 1)).toEqual(rowAt(ofSpy(frame(frames * 10 - 10, 10)), 4))
    expect((rows.columns['ticker'] as StringColumn).dictionary.length).toBeLessThanOrEqual(2)
    const last = START_MS + frames * 10
    expect(rowsBetween(rows, 'timestamp', last - 20, last).length).toBe(10)
    expect(series.newestLiveMs('SPY', last)).toBe(last - 2)
    expect(series.newestLiveMs('QQQ', last)).toBeUndefined()
  })
})
