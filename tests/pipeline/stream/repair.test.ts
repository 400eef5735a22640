import { describe, expect, test } from 'vitest'
import { constantString, type Batch } from '../../../src/core/batch.ts'
import { EntitlementError, ServerError } from '../../../src/core/errors.ts'
import { XNYS } from '../../../src/market/calendar/xnys.ts'
import { equityBars1m } from '../../../src/market/datasets/equity-bars.ts'
import { channelOf } from '../../../src/pipeline/stream/channels.ts'
import { ChannelWatch, type StreamHole } from '../../../src/pipeline/stream/holes.ts'
import { reconcile } from '../../../src/pipeline/stream/reconcile.ts'
import { repairHoles } from '../../../src/pipeline/stream/repair.ts'
import { SessionBook } from '../../../src/pipeline/stream/session-book.ts'
import type { HistorySource } from '../../../src/sources/history.ts'

const DATE = '2025-06-10'
const MINUTE = 60_000
const NEVER = new AbortController().signal
const at = (time: string): number => Date.parse(`${DATE}T${time}:00-04:00`)

/** Minute bars that start at `starts` (ms), all with the same close. */
function bars(starts: readonly number[], close: number, request: string): Batch {
  const { length } = starts
  const all = (value: number) => new Float64Array(length).fill(value)
  return {
    ...{ dataset: equityBars1m.name, length, schema: equityBars1m.columns },
    origin: { source: 'test', request },
    columns: {
      ticker: constantString('SPY', length),
      timestamp: Float64Array.from(starts, (ms) => ms * 1000),
      ...{ open: all(close), high: all(close), low: all(close), close: all(close) },
      ...{ volume: all(100), vwap: all(close), trade_count: all(NaN) },
    },
  }
}

function minutes(from: string, to: string): number[] {
  const out: number[] = []
  for (let ms = at(from); ms < at(to); ms += MINUTE) out.push(ms)
  return out
}

/** A source that has the bars before `until`, or fails. */
function source(answer: () => readonly number[] | Error): HistorySource {
  return {
    ...{ name: 'test', calls: 0, provenance: 'real' },
    limits: () => ({ pageRows: 50_000, baseSeconds: 60, anyRange: false }),
    async *read() {
      const found = answer()
      if (found instanceof Error) throw found
      if (found.length > 0) yield bars(found, 2, '/v2/aggs')
      await Promise.resolve()
    },
    knowsTicker: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  }
}

/** Received 09:30 to 10:00 and 10:05 to 10:10; cut in between. */
async function cutSession() {
  const book = new SessionBook('run')
  const watch = new ChannelWatch(channelOf('AM', 'stocks'), XNYS.on(DATE)!)
  const receive = async (from: string, to: string) => {
    await book.take(equityBars1m, bars(minutes(from, to), 1, 'live'))
    for (const ms of minutes(from, to)) watch.saw(ms, ms + MINUTE)
  }
  await receive('09:30', '10:00')
  watch.interrupted('cut', at('10:00'))
  await receive('10:05', '10:10')
  const series = book.on(DATE)[0]!
  const closed: StreamHole[] = []
  const repair = async (now: string, answer: () => readonly number[] | Error) => {
    const marketNow = () => at(now)
    const options = { source: source(answer), book, date: DATE, tickers: ['SPY'], marketNow }
    const rest = { publicationMs: 2 * MINUTE, onClosed: (hole: StreamHole) => void closed.push(hole) }
    await repairHoles(watch, { ...options, ...rest }, NEVER)
  }
  return { book, watch, series, repair, closed }
}

/** Close of every row by its minute. */
function closes(rows: Batch | undefined): Map<string, number> {
  const { timestamp, close } = rows!.columns as Record<string, Float64Array>
  return new Map(
    Array.from(timestamp!, (us, i) => [new Date(us / 1000).toISOString().slice(11, 16), close![i]!]),
  )
}

describe('closing a hole', () => {
  test('takes the rows inside it from REST and leaves the others as they were received', async () => {
    const { series, repair, closed } = await cutSession()
    await repair('10:10', () => minutes('09:30', '10:10'))
    const found = closes(series.rows())
    expect(found.size).toBe(40)
    expect([...found.values()].filter((close) => close === 2)).toHaveLength(7)
    expect(found.get('13:58')).toBe(1)
    expect(found.get('13:59')).toBe(2) // 09:59 New York: it may have been received in part
    expect(closed).toMatchObject([{ rows: 7, closedMs: at('10:10') }])
  })

  test('waits for a vendor that is late as a whole, however long ago the hole was', async () => {
    const { series, repair, closed, watch } = await cutSession()
    await repair('10:30', () => minutes('09:30', '10:02'))
    expect(closed).toEqual([])
    expect(watch.unclosed).toMatchObject([{ note: 'the vendor does not have it yet' }])
    expect(closes(series.rows()).get('14:00')).toBe(2) // what it has is taken
    expect(closes(series.rows()).has('14:01')).toBe(false) // its newest bar may still be growing
    await repair('10:31', () => minutes('09:30', '10:31'))
    expect(closed).toMatchObject([{ rows: 7 }]) // each counted once, however often it was fetched
  })

  test('believes silence of a vendor that has everything received since', async () => {
    const { repair, closed, series } = await cutSession()
    await repair('10:30', () => [...minutes('09:30', '10:01'), ...minutes('10:05', '10:10')])
    expect(closed).toHaveLength(1)
    expect(closes(series.rows()).size).toBe(36)
  })

  test.each([
    [new EntitlementError("not today's data"), /the plan does not serve it yet: not today/],
    [new ServerError('bad gateway'), /the request failed: bad gateway/],
  ])('keeps the hole and the reason when the vendor answers %s', async (error, note) => {
    const { repair, watch } = await cutSession()
    await repair('10:30', () => error)
    expect(watch.unclosed[0]!.note).toMatch(note)
  })
})

describe('comparing a session with REST', () => {
  const how = ['SPY']

  test('counts what REST adds and changes, and lets it win', async () => {
    const { book, series } = await cutSession()
    const found = await reconcile(
      source(() => minutes('09:30', '10:10')),
      book,
      series,
      how,
      NEVER,
    )
    expect(found).toEqual({ rest: 40, added: 5, changed: 35, unconfirmed: 0 })
    expect(new Set(closes(series.rows()).values())).toEqual(new Set([2]))
  })

  test('keeps rows that REST lacks, and says how many', async () => {
    const { book, series } = await cutSession()
    const found = await reconcile(
      source(() => minutes('09:30', '09:40')),
      book,
      series,
      how,
      NEVER,
    )
    expect(found).toEqual({ rest: 10, added: 0, changed: 10, unconfirmed: 25 })
    expect(closes(series.rows()).size).toBe(35)
  })

  test('gives nothing up for an answer without rows', async () => {
    const { book, series } = await cutSession()
    const found = await reconcile(
      source(() => []),
      book,
      series,
      how,
      NEVER,
    )
    expect(found).toEqual({ rest: 0, added: 0, changed: 0, unconfirmed: 35 })
    expect(closes(series.rows()).size).toBe(35)
  })
})
