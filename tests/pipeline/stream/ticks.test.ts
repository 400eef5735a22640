import { afterAll, describe, expect, test } from 'vitest'
import type { Batch } from '../../../src/core/batch.ts'
import { ServerError } from '../../../src/core/errors.ts'
import { commitCell, holdCell, type StreamLake } from '../../../src/pipeline/stream/cell.ts'
import { LiveSeries } from '../../../src/pipeline/stream/live-series.ts'
import { SessionBook } from '../../../src/pipeline/stream/session-book.ts'
import { settleFinished } from '../../../src/pipeline/stream/settle.ts'
import type { HistorySource } from '../../../src/sources/history.ts'
import { batchFor, engine, SESSIONS, testRoot, TRADES, tradeRows, visibleRows } from '../../support/lake.ts'

const [, , JAN2] = SESSIONS
const NEVER = new AbortController().signal
const PENDING = { state: 'pending', reason: 'being recorded' } as const
afterAll(() => engine.close())

const lakeAt = (root: string): StreamLake => ({
  ...{ root, runId: 'live', engine, compression: 'zstd', rowGroupRows: 122_880, sourceName: 'simulator' },
  ...{ lockWaitMs: 0, provenance: () => 'synthetic', lateDays: 5, now: () => 0 },
})

/** Trades `from` (inclusive) to `to` of the session, at a price of `value`. */
const trades = (from: number, to: number, value = 1): Batch =>
  batchFor(TRADES, tradeRows(JAN2, value, to).slice(from))

/** A source that serves `pages`, or fails behind them. */
const source = (pages: readonly Batch[], failure?: Error): HistorySource => ({
  ...{ name: 'test', calls: 0, provenance: 'synthetic' },
  limits: () => ({ pageRows: 50_000, baseSeconds: 60, anyRange: false }),
  async *read() {
    yield* pages
    await Promise.resolve()
    if (failure) throw failure
  },
  knowsTicker: () => Promise.resolve(true),
  close: () => Promise.resolve(),
})

async function settle(root: string, series: LiveSeries, rest: HistorySource) {
  const book = new SessionBook('run')
  return await settleFinished(series, { lake: lakeAt(root), source: rest, book, tickers: ['SPY'] }, NEVER)
}

describe('ticks of a live session', () => {
  test('are let go once the lake holds them, and what comes later, again or in between joins them', async () => {
    const [root, series] = [testRoot(), new LiveSeries(TRADES, JAN2)]
    for (const part of [trades(0, 4), trades(6, 9), trades(3, 7), trades(20, 21), trades(0, 1)]) {
      series.addLive(part)
      await commitCell(lakeAt(root), series, PENDING, NEVER)
      expect(series.takeTicks()).toBeUndefined()
      expect([series.hasRows, series.isChanged]).toEqual([true, false])
    }
    const kept = [...tradeRows(JAN2, 1, 9), ...tradeRows(JAN2, 1, 21).slice(20)]
    expect(await visibleRows(root, TRADES)).toEqual(kept)
    const other = new LiveSeries(TRADES, JAN2)
    expect(await holdCell(lakeAt(root), other)).toBe('pending')
    expect([other.hasRows, other.isChanged, other.rows()]).toEqual([true, false, undefined])
  })

  test('stay where a commit failed, and are in the next one', async () => {
    const [root, series] = [testRoot(), new LiveSeries(TRADES, JAN2)]
    series.addLive(trades(0, 3))
    const unknown = { ...lakeAt(root), provenance: () => undefined }
    await expect(commitCell(unknown, series, PENDING, NEVER)).rejects.toThrow(/provenance/)
    series.takeTicks() // as a commit does that fails later
    series.addLive(trades(3, 5))
    expect(await commitCell(lakeAt(root), series, PENDING, NEVER)).toBe(5)
    expect(await visibleRows(root, TRADES)).toEqual(tradeRows(JAN2, 1, 5))
  })

  test('give way to REST as a whole, page by page', async () => {
    const [root, series] = [testRoot(), new LiveSeries(TRADES, JAN2)]
    series.addLive(trades(0, 4))
    const settled = await settle(root, series, source([trades(0, 3, 2), trades(3, 6, 2)]))
    expect(settled).toMatchObject({ state: 'complete', rows: 6, retry: false })
    expect(settled.reason).toMatch(/reconciled with REST: 2 added, 0 changed/)
    expect(await visibleRows(root, TRADES)).toEqual(tradeRows(JAN2, 2, 6))
  })

  test.each([
    ['has fewer', source([trades(0, 2, 2)]), /3 rows are not in REST yet/],
    ['has none', source([]), /REST has no rows of the session yet/],
    ['fails in the middle', source([trades(0, 9, 2)], new ServerError('bad gateway')), /REST failed: bad/],
  ])('stay as they are when REST %s', async (_name, rest, reason) => {
    const [root, series] = [testRoot(), new LiveSeries(TRADES, JAN2)]
    series.addLive(trades(0, 5))
    const settled = await settle(root, series, rest)
    expect(settled).toMatchObject({ state: 'pending', rows: 5, retry: true })
    expect(settled.reason).toMatch(reason)
    expect(await visibleRows(root, TRADES)).toEqual(tradeRows(JAN2, 1, 5))
    const again = await settle(root, series, source([trades(0, 5, 3)]))
    expect(again).toMatchObject({ state: 'complete', rows: 5 })
    expect(await visibleRows(root, TRADES)).toEqual(tradeRows(JAN2, 3, 5))
  })
})
