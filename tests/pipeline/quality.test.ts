import { describe, expect, test } from 'vitest'
import { settingsSchema } from '../../src/core/config/schema.ts'
import { createEngine } from '../../src/lake/engines/index.ts'
import { openLake } from '../../src/lake/index.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { scoreOf } from '../../src/pipeline/quality/score.ts'
import { scoreSeries, type SessionQuality } from '../../src/pipeline/quality/series-quality.ts'
import { readScores, saveScores } from '../../src/pipeline/quality/store.ts'
import type { BarVendorOptions, WireBar } from '../support/bar-vendor.ts'
import { calm, cutRows, dayOf, repairIn } from './gap-lake.ts'
import { NOW_MS, record, sourceAt, vendor } from './record.ts'

const WEEKS = { from: '2025-05-27', to: '2025-06-06' }
const engine = createEngine('duckdb', { tempDirectory: '/tmp/tapelake-scratch', threads: 1 })

async function scoresIn(root: string, dataset = 'equity_bars_1m'): Promise<Map<string, SessionQuality>> {
  const lake = await openLake(root)
  try {
    const scores = await scoreSeries(await lake.view({ dataset: datasetNamed(dataset), ticker: 'SPY' }), {
      ...{ root, engine, nowMs: NOW_MS, view: (series) => lake.view(series) },
      thresholds: settingsSchema.parse({}).quality,
    })
    return new Map(scores.map((score) => [score.date, score]))
  } finally {
    await lake.close()
  }
}

async function recorded(bars: (date: string) => WireBar[], more: BarVendorOptions = {}): Promise<string> {
  const server = await vendor({ bars, ...more })
  const { root } = await record({ source: sourceAt(server.url), ...WEEKS })
  return root
}

const change = (bars: WireBar[], place: number, more: (bar: WireBar) => WireBar): WireBar[] =>
  bars.map((bar, i) => (i === place ? { ...bar, ...more(bar) } : bar))

describe('the quality of a session', () => {
  test('is 1 where it is whole: an early close, a thin ticker and an odd-lot price outside the range, too', async () => {
    const odd = (bars: WireBar[]): WireBar[] => bars.map((bar) => ({ ...bar, vw: 120 }))
    for (const bars of [
      (date: string) => odd(calm(date)),
      (date: string) => calm(date, 7, (minute) => ((minute * 7919) % 6 === 0 ? 2 : 0)),
    ]) {
      const server = await vendor({ bars })
      const { root } = await record({ source: sourceAt(server.url), from: '2024-12-16', to: '2024-12-27' })
      const scores = [...(await scoresIn(root)).values()]
      expect(scores.length).toBe(9)
      expect(scores.every(({ score }) => score === 1)).toBe(true)
    }
  })

  test('falls with the share that is missing, and says what', async () => {
    const root = await recorded((date) => calm(date))
    await cutRows(root, `timestamp BETWEEN '2025-06-04 13:30:00Z' AND '2025-06-04 16:44:00Z'`)
    const scores = await scoresIn(root)
    expect(scores.get('2025-06-04')).toMatchObject({
      score: 0,
      parts: { completeness: 0.5, continuity: 0, validity: 1 },
      notes: expect.arrayContaining([
        '195 minutes suspected: recorded, but no longer in the file',
      ]) as string[],
    })
    expect(scores.get('2025-06-03')!.score).toBe(1)
  })

  test('after a split nobody told of is judged by the volume in the new shares', async () => {
    const scores = await scoresIn(
      await recorded((date) => {
        const isNew = date >= '2025-06-03'
        return calm(date, isNew ? 120 : 2400).map((bar) => ({ ...bar, v: 50_000 * (isNew ? 30 : 1) }))
      }),
    )
    expect([...scores.values()].map(({ score }) => score).filter((score) => score !== 1)).toEqual([])
    expect(scores.get('2025-06-04')!.parts.volume).toBe(1)
  })

  test('what the vendor lacks for good still lowers it, although there is nothing left to ask', async () => {
    const hole = (date: string) => (minute: number) =>
      date === '2025-06-04' || (date === '2025-06-03' && minute >= 60 && minute < 70) ? 0 : 500
    const server = await vendor({ bars: (date) => calm(date, 100, hole(date)), hasDailyBar: () => true })
    const source = sourceAt(server.url)
    const { root } = await record({ source, ...WEEKS })
    await repairIn(root, source)
    const scores = await scoresIn(root)
    expect(scores.get('2025-06-03')).toMatchObject({
      parts: { completeness: 1 - 10 / 390, continuity: 1 - 10 / 60, validity: 1 },
      notes: ['10 minutes vendor_missing: much traded before and after it'],
    })
    expect(scores.get('2025-06-04')).toMatchObject({
      score: 0,
      parts: { completeness: 0, validity: null },
      notes: [expect.stringMatching(/^390 minutes vendor_missing/)],
    })
  })

  test('prices of one day in another unit are no split and its reversal', async () => {
    const scores = await scoresIn(await recorded((date) => calm(date, date === '2025-06-04' ? 1000 : 100)))
    for (const date of ['2025-06-04', '2025-06-05']) {
      expect(scores.get(date)).toMatchObject({ score: 0.5, parts: { jumps: 0.25 } })
      expect(scores.get(date)!.split).toBeUndefined()
    }
  })

  test('of a split day names the split; where none was recorded, a whole ratio is taken for one', async () => {
    const bars = (date: string) => calm(date, date < '2025-06-04' ? 1200 : 120)
    const inferred = await scoresIn(await recorded(bars))
    expect(inferred.get('2025-06-04')).toMatchObject({
      score: 1,
      split: { from: 1, to: 10, source: 'inferred' },
    })
    const splits = (results: object[]) => (url: string) =>
      url.startsWith('/v3/reference/splits') ? { body: { results, status: 'OK' } } : undefined
    const event = { ticker: 'SPY', execution_date: '2025-06-04', split_from: 1, split_to: 10, id: 'E1' }
    for (const [results, expected] of [
      [[event], { score: 1, split: { from: 1, to: 10, source: 'recorded' } }],
      [[{ ...event, split_to: 2 }], { score: 0.5, parts: { jumps: 0.25 } }],
      [[], { score: 0.5, parts: { jumps: 0.25 } }],
    ] as const) {
      const server = await vendor({ bars, other: splits([...results]) })
      const source = sourceAt(server.url)
      const { root } = await record({ source, ...WEEKS })
      await record({ source, root, dataset: 'splits', ...WEEKS })
      expect((await scoresIn(root)).get('2025-06-04')).toMatchObject(expected)
    }
  })

  test('falls for a price that comes and goes, not for one that stays', async () => {
    const spiked = await scoresIn(
      await recorded((date) =>
        date === '2025-06-05' ? change(calm(date), 100, () => ({ h: 111, c: 110 })) : calm(date),
      ),
    )
    expect(spiked.get('2025-06-05')).toMatchObject({
      parts: { jumps: 0.75 },
      notes: [expect.stringMatching(/^a price of \+1\d\.\d % at 15:10 UTC that did not stay$/)],
    })
    const moved = await scoresIn(
      await recorded((date) =>
        calm(date).map((bar, i) =>
          date === '2025-06-05' && i >= 100 ? { ...bar, ...scaled(bar, 1.1) } : bar,
        ),
      ),
    )
    expect(moved.get('2025-06-05')!.score).toBe(1)
  })

  test('falls for stale prices and for volume far from what is usual at that time of day', async () => {
    const stuck = (date: string): WireBar[] => {
      const bars = calm(date)
      return bars.map((bar, i) => (i >= 200 && i < 278 ? { ...bars[200]!, t: bar['t']! } : bar))
    }
    const stale = await scoresIn(await recorded((date) => (date === '2025-06-05' ? stuck(date) : calm(date))))
    expect(stale.get('2025-06-05')!.parts.staleness).toBeCloseTo(0.8, 5)
    const units = (date: string): WireBar[] =>
      calm(date).map((bar) => ({ ...bar, v: Number(bar['v']) * 100 }))
    const shifted = await scoresIn(
      await recorded((date) => (date === '2025-06-05' ? units(date) : calm(date))),
    )
    expect(shifted.get('2025-06-05')).toMatchObject({ score: 0, parts: { volume: 0 } })
    expect(shifted.get('2025-05-28')!.parts.volume).toBeNull()
  })

  test('counts refused rows, rows that came twice, and what the daily bar says otherwise', async () => {
    const bars = (date: string): WireBar[] => {
      const all = calm(date)
      if (date === '2025-06-03') return change(all, 7, () => ({ h: 1, l: 200 }))
      if (date === '2025-06-04') return [...all, ...all.slice(0, 39)]
      return all
    }
    const server = await vendor({
      bars,
      dailyBar: (date) => ({
        ...dayOf(date, calm(date)),
        h: date === '2025-06-05' ? 150 : 100.06,
        l: 99.94,
        c: 100,
      }),
    })
    const source = sourceAt(server.url)
    const { root } = await record({ source, ...WEEKS })
    await record({ source, root, dataset: 'equity_bars_1d', ...WEEKS })
    const scores = await scoresIn(root)
    expect(scores.get('2025-06-03')!.parts.validity).toBeCloseTo(389 / 390, 6)
    expect(scores.get('2025-06-04')!.parts.duplicates).toBeCloseTo(390 / 429, 6)
    expect(scores.get('2025-06-05')).toMatchObject({
      parts: { agreement: 0.75 },
      notes: ['the daily bar differs in high'],
    })
    expect((await scoresIn(root, 'equity_bars_1d')).get('2025-06-02')!.score).toBe(1)
  })

  test('of a session in which nothing traded is none; of one that is not held it is 0', async () => {
    const server = await vendor({
      bars: (date) => (date < '2025-06-04' ? [] : calm(date)),
      hasDailyBar: (date) => date > '2025-06-02',
    })
    const { root } = await record({ source: sourceAt(server.url), from: '2025-06-02', to: '2025-06-06' })
    const scores = await scoresIn(root)
    expect(scores.get('2025-06-02')).toMatchObject({ state: 'empty', score: null })
    expect(scores.get('2025-06-03')).toMatchObject({ state: 'missing', score: 0 })
  })

  test('is the product of its parts by weight; what is not known counts nothing', () => {
    const unknown = { completeness: null, validity: null, continuity: null, volume: null }
    const more = { jumps: null, staleness: null, duplicates: null, agreement: null }
    expect(scoreOf({ ...unknown, ...more })).toBe(1)
    expect(scoreOf({ ...unknown, ...more, completeness: 0.9, jumps: 0.25, duplicates: 0.0625 })).toBe(0.225)
  })

  test('is kept with the digest of the rows that were judged; a torn file is made anew', async () => {
    const root = await recorded((date) => calm(date))
    const scores = [...(await scoresIn(root)).values()]
    const series = { dataset: datasetNamed('equity_bars_1m'), ticker: 'SPY' }
    await saveScores(root, series, scores.slice(0, 5))
    await saveScores(root, series, scores.slice(5))
    const kept = await readScores(root, series)
    expect(Object.keys(kept)).toEqual(scores.map(({ date }) => date))
    expect(kept['2025-06-02']).toMatchObject({
      score: 1,
      digest: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
    })
    expect(calendarOf('XNYS').between(WEEKS.from, WEEKS.to).length).toBe(scores.length)
  })
})

const scaled = (bar: WireBar, by: number): WireBar =>
  Object.fromEntries(['o', 'h', 'l', 'c', 'vw'].map((name) => [name, Number(bar[name]) * by]))
