import fc from 'fast-check'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { isExplained } from '../../src/pipeline/gaps/gap.ts'
import type { BarVendorOptions } from '../support/bar-vendor.ts'
import { askDuckDb, visibleRows } from '../support/lake.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { barsOf, brief, cutRows, dayOf, gapsIn, MINUTE_MS, repairIn } from './gap-lake.ts'
import { NOW_MS, record, sourceAt, vendor } from './record.ts'

/** Sessions of the recordings: Monday 2025-06-02 to Friday 2025-06-06. */
const WEEK = ['2025-06-02', '2025-06-03', '2025-06-04', '2025-06-05', '2025-06-06']
const liquid = () => 500
/** A few trades now and then, the same ones for the same day. */
const thin = (date: string) => (minute: number) =>
  (minute * 7919 + Number(date.slice(8)) * 104_729) % 5 === 0 ? 1 + (minute % 3) : 0

const minuteUtc = (date: string, minute: number): string =>
  new Date(calendarOf('XNYS').on(date)!.openMs + minute * MINUTE_MS).toISOString()

/** A vendor of `trades`, and a lake that holds its week. */
async function recorded(trades: (date: string) => (minute: number) => number, more: BarVendorOptions = {}) {
  const server = await vendor({ bars: (date) => barsOf(date, trades(date)), ...more })
  const source = sourceAt(server.url)
  const { root } = await record({ source })
  return { server, source, root }
}

describe('gaps', () => {
  test('finds exactly the minutes that were taken out of a file, of liquid and of thin tickers, and repair puts them back', async () => {
    for (const trades of [() => liquid, thin]) {
      const { root, source } = await recorded(trades)
      expect(await gapsIn(root)).toEqual([])
      const before = await visibleRows(root, { dataset: datasetNamed('equity_bars_1m'), ticker: 'SPY' })
      const places = fc.uniqueArray(fc.tuple(fc.nat(4), fc.nat(389)), { minLength: 1, maxLength: 25 })
      for (const cuts of fc.sample(places, { numRuns: 3, seed: 7 })) {
        const gone = cuts.map(([day, minute]) => minuteUtc(WEEK[day]!, minute))
        const missing = new Set(before.map((row) => Number(row['timestamp']) / 1000))
        const expected = gone.map((at) => Date.parse(at)).filter((ms) => missing.has(ms))
        await cutRows(root, `timestamp IN (${gone.map((at) => `'${at}'`).join(', ')})`)
        const found = await gapsIn(root)
        const minutes = found.flatMap(({ fromMs, toMs }) =>
          Array.from({ length: (toMs - fromMs) / MINUTE_MS }, (_, i) => fromMs + i * MINUTE_MS),
        )
        expect(minutes).toEqual(expected.sort((a, b) => a - b))
        expect(found.every(({ reason }) => reason === 'suspected')).toBe(true)
        const { gaps, sessions } = await repairIn(root, source)
        expect(gaps.gaps.filter((gap) => !isExplained(gap))).toEqual([])
        expect(sessions.reduce((sum, one) => sum + one.rowsAfter - one.rowsBefore, 0)).toBe(expected.length)
      }
      expect(await visibleRows(root, { dataset: datasetNamed('equity_bars_1m'), ticker: 'SPY' })).toEqual(
        before,
      )
    }
  })

  test('equals a full scan by an independent query', async () => {
    const { root } = await recorded(() => liquid)
    await cutRows(root, `minute(timestamp) % 20 = 3 AND day(timestamp) <> 4`)
    const independent = await askDuckDb(`
      WITH expected AS (
        SELECT unnest(generate_series(d::TIMESTAMPTZ + INTERVAL 570 MINUTE, d::TIMESTAMPTZ + INTERVAL 959 MINUTE, INTERVAL 1 MINUTE)) AS minute
        FROM (SELECT unnest(['2025-06-02 04:00:00Z', '2025-06-03 04:00:00Z', '2025-06-04 04:00:00Z', '2025-06-05 04:00:00Z', '2025-06-06 04:00:00Z']) AS d)
      )
      SELECT epoch_ms(minute)::DOUBLE AS ms FROM expected
      WHERE minute NOT IN (SELECT timestamp FROM read_parquet('${root}/lake/equity_bars_1m/ticker=SPY/*/*.parquet')) ORDER BY minute`)
    const found = await gapsIn(root)
    expect(found.map(({ fromMs }) => fromMs)).toEqual(independent.map((row) => row['ms']))
    expect(found.length).toBeGreaterThan(70)
  })

  test('names truncated starts and ends, and sessions that are gone or were never recorded', async () => {
    const { root } = await recorded(() => liquid)
    await cutRows(
      root,
      `timestamp < '2025-06-02 14:00:00Z' OR timestamp BETWEEN '2025-06-05 19:00:00Z' AND '2025-06-07 00:00:00Z'`,
    )
    const found = await gapsIn(root, { to: '2025-06-09' })
    expect(found.map((gap) => [brief(gap), gap.kind])).toEqual([
      ['06-02 0-30 suspected', 'start'],
      ['06-05 330-390 suspected', 'end'],
      ['06-06 0-390 suspected', 'session'],
      ['06-09 0-390 missing', 'session'],
    ])
  })

  test('believes a vendor that left out minutes of a thin ticker, and doubts it about a liquid one', async () => {
    const withheld = (date: string) => (minute: number) =>
      date === WEEK[1] && minute >= 60 && minute < 63 ? 0 : 500
    let whole = false
    const { root, source, server } = await recorded((date) => (whole ? liquid : withheld(date)))
    expect((await gapsIn(root)).map(brief)).toEqual(['06-03 60-63 suspected'])
    const again = await repairIn(root, source)
    expect(again.gaps.gaps.filter((gap) => !isExplained(gap))).toEqual([])
    expect(again.sessions.map(({ outcome }) => outcome)).toEqual(['confirmed'])
    expect(await gapsIn(root)).toMatchObject([{ reason: 'vendor_missing', confirmed: true, minutes: 3 }])
    const calls = server.requests.length
    expect((await repairIn(root, source)).sessions).toEqual([])
    expect(server.requests.length).toBe(calls)
    whole = true
    const other = await recorded(withheld)
    const full = await vendor({ bars: (date) => barsOf(date, liquid) })
    const healed = await repairIn(other.root, sourceAt(full.url))
    expect(healed.sessions).toMatchObject([
      { session: WEEK[1], outcome: 'recorded', added: [{ minutes: 3 }] },
    ])
    expect(await gapsIn(other.root)).toEqual([])
  })

  test('takes a halt for what it is where the daily bar counts no more, and the vendor to task where it does', async () => {
    const halted = (date: string) => (minute: number) =>
      date === WEEK[2] && minute >= 100 && minute < 115 ? 0 : 500
    const traded = (date: string) => dayOf(date, barsOf(date, liquid))
    for (const [dailyBar, expected] of [
      [(date: string) => dayOf(date, barsOf(date, halted(date))), []],
      [traded, ['06-04 100-115 vendor_missing']],
    ] as const) {
      const { root, source } = await recorded(halted, { dailyBar })
      await record({ source, root, dataset: 'equity_bars_1d' })
      expect((await gapsIn(root)).map(brief)).toEqual(expected)
    }
  })

  test('suspects a session of a thin ticker whose daily bar counts more than its minutes', async () => {
    const days = { from: '2025-05-12', to: '2025-05-30' }
    const short = (date: string) => (minute: number) =>
      date === '2025-05-20' && minute < 200 ? 0 : thin(date)(minute)
    const server = await vendor({
      bars: (date) => barsOf(date, short(date)),
      dailyBar: (date) => dayOf(date, barsOf(date, thin(date))),
    })
    const { root } = await record({ source: sourceAt(server.url), ...days })
    await record({ source: sourceAt(server.url), root, dataset: 'equity_bars_1d', ...days })
    expect(await gapsIn(root)).toMatchObject([{ session: '2025-05-20', reason: 'suspected', kind: 'rows' }])
    const full = await vendor({ bars: (date) => barsOf(date, thin(date)) })
    await repairIn(root, sourceAt(full.url))
    expect(await gapsIn(root)).toEqual([])
  })

  test('knows early closes, quiet extended hours and days without a session', async () => {
    const server = await vendor({ bars: (date) => barsOf(date, liquid) })
    const { root } = await record({ source: sourceAt(server.url), from: '2024-12-20', to: '2025-01-02' })
    expect(await gapsIn(root)).toEqual([])
  })

  test('passes on why the ledger says that a session is not held', async () => {
    const bad = { o: -1, h: 1, l: 1, c: 1, v: 1 }
    const server = await vendor({
      bars: (date) => {
        if (date === WEEK[0]) return []
        const bars = barsOf(date, liquid)
        if (date === WEEK[2]) return bars.map((bar) => ({ ...bar, ...bad }))
        if (date === WEEK[3]) return bars.map((bar, i) => (i === 5 ? { ...bar, ...bad } : bar))
        return bars
      },
      hasDailyBar: () => true,
    })
    const source = sourceAt(server.url)
    const nowMs = Date.parse('2025-06-10T18:00:00Z')
    const { root } = await record({ source, to: '2025-06-10', nowMs })
    const found = await gapsIn(root, { nowMs })
    expect(found.map(brief)).toEqual([
      '06-02 0-390 vendor_missing',
      '06-04 0-390 quarantined',
      '06-05 5-6 quarantined',
      '06-10 0-390 not_published',
    ])
    const { gaps } = await repairIn(root, source, { nowMs })
    expect(gaps.gaps.filter((gap) => !isExplained(gap))).toEqual([])
    expect(gaps.gaps.slice(0, 3).map(({ reason, confirmed }) => [reason, confirmed])).toEqual([
      ['vendor_missing', true],
      ['quarantined', true],
      ['quarantined', true],
    ])
    const calls = server.requests.length
    expect((await repairIn(root, source, { nowMs })).sessions).toEqual([])
    expect(server.requests.length).toBe(calls)
  })

  test('asks nobody for sessions before a ticker was listed: the daily bars explain them', async () => {
    const { root } = await recorded((date) => (date < WEEK[2]! ? () => 0 : liquid))
    expect(await gapsIn(root)).toEqual([])
  })

  test('finds rows of another ticker, of another day and of nowhere, and files that are gone', async () => {
    const { root, source } = await recorded(() => liquid)
    const folder = join(root, 'lake/equity_bars_1m/ticker=SPY/month=2025-06')
    const [file] = await askDuckDb(`SELECT file FROM glob('${folder}/*.parquet')`)
    const path = String(file!['file'])
    await askDuckDb(`COPY (
      SELECT * REPLACE (
        CASE WHEN timestamp = '2025-06-03 15:00:00Z' THEN 'QQQ' ELSE ticker END AS ticker,
        CASE WHEN timestamp = '2025-06-04 15:00:00Z' THEN '2025-05-30 15:00:00Z'::TIMESTAMPTZ
             WHEN timestamp = '2025-06-04 15:01:00Z' THEN '2025-06-07 15:01:00Z'::TIMESTAMPTZ
             WHEN timestamp = '2025-06-04 15:02:00Z' THEN '2025-06-09 15:02:00Z'::TIMESTAMPTZ
             ELSE timestamp END AS timestamp)
      FROM read_parquet('${path}', hive_partitioning = false)) TO '${path}.new' (FORMAT parquet)`)
    await askDuckDb(
      `COPY (SELECT * FROM read_parquet('${path}.new', hive_partitioning = false)) TO '${path}' (FORMAT parquet)`,
    )
    rmSync(`${path}.new`)
    const found = await gapsIn(root, { from: '2025-05-30', to: '2025-06-09' })
    expect(found.map(({ session, reason, minutes }) => [session, reason, minutes])).toEqual([
      ['2025-05-30', 'missing', 390],
      ['2025-05-30', 'wrong_day', 1],
      ['2025-06-03', 'wrong_ticker', 1],
      ['2025-06-03', 'suspected', 1],
      ['2025-06-04', 'suspected', 3],
      ['2025-06-07', 'wrong_day', 1],
      ['2025-06-09', 'wrong_day', 1],
    ])
    rmSync(path)
    expect((await gapsIn(root)).map(brief)).toEqual(WEEK.map((date) => `${date.slice(5)} 0-390 suspected`))
    const { gaps } = await repairIn(root, source)
    expect(gaps.gaps).toEqual([])
  })

  test('tells rows that are gone from the extended hours, of which no minute is expected', async () => {
    const early = {
      t: calendarOf('XNYS').on(WEEK[0]!)!.openMs - 3_600_000,
      o: 1,
      h: 1,
      l: 1,
      c: 1,
      v: 1,
      n: 1,
    }
    const { root } = await recorded(() => liquid, {
      bars: (date) => (date === WEEK[0] ? [early, ...barsOf(date, liquid)] : barsOf(date, liquid)),
    })
    await cutRows(root, `hour(timestamp) = 12`)
    expect(await gapsIn(root)).toMatchObject([{ session: WEEK[0], minutes: 1, kind: 'rows' }])
  })

  test('of daily bars are sessions, of a range that was never recorded everything', async () => {
    const { root, source } = await recorded(() => liquid)
    await record({ source, root, dataset: 'equity_bars_1d', to: WEEK[2]! })
    await record({ source, root, dataset: 'equity_bars_1d', from: WEEK[4]! })
    expect((await gapsIn(root, { dataset: 'equity_bars_1d' })).map(brief)).toEqual(['06-05 0-390 missing'])
    expect(await gapsIn(root, { ticker: 'QQQ' })).toEqual([])
    expect(await gapsIn(root, { ticker: 'QQQ', from: WEEK[0]!, to: WEEK[4]! })).toHaveLength(5)
    const later = await gapsIn(root, { ticker: 'QQQ', from: WEEK[4]!, to: '2025-06-11', nowMs: NOW_MS })
    expect(later.map(({ reason }) => reason)).toEqual(['missing', 'missing', 'missing', 'not_published'])
  })
})
