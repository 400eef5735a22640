import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyLedger, type Cell, type CellState, type Ledger } from '../../src/lake/ledger.ts'
import type { SeriesId } from '../../src/lake/layout.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import { planSeries, type PlanOptions, type SeriesPlan } from '../../src/pipeline/plan.ts'
import { polygonLimits } from '../../src/sources/polygon/limits.ts'

const NOW_MS = Date.parse('2025-06-04T02:00:00Z') // 22:00 in New York: Tuesday the 3rd has ended
const XNYS = calendarOf('XNYS')

const seriesOf = (dataset: string): SeriesId => ({ dataset: datasetNamed(dataset), ticker: 'SPY' })

function ledgerWith(series: SeriesId, states: Readonly<Record<string, CellState>>, rows = 0): Ledger {
  const cell = (state: CellState): Cell => ({ state, reason: 'a test says so', rows, run: 'r', at: 'now' })
  const cells = Object.fromEntries(Object.entries(states).map(([date, state]) => [date, cell(state)]))
  return { ...emptyLedger(series), cells }
}

function plan(
  dataset: string,
  from: string,
  to: string,
  options: Partial<PlanOptions> & { states?: Readonly<Record<string, CellState>> } = {},
): SeriesPlan {
  const series = seriesOf(dataset)
  return planSeries({
    series,
    range: { from, to },
    ledger: ledgerWith(series, options.states ?? {}),
    limits: polygonLimits(series.dataset),
    nowMs: NOW_MS,
    force: false,
    ...options,
  })
}

const datesOf = (from: string, to: string): string[] => XNYS.between(from, to).map(({ date }) => date)
const all = (dates: readonly string[], state: CellState): Record<string, CellState> =>
  Object.fromEntries(dates.map((date) => [date, state]))

describe('the plan of a series', () => {
  test('five years of minute bars cost 25 requests from an empty ledger, not one a day', () => {
    const { calls, items, sessions } = plan('equity_bars_1m', '2020-05-29', '2025-05-30')
    expect(sessions).toHaveLength(1258)
    expect(calls).toBe(25)
    expect(items.flatMap((item) => item.sessions).sort()).toEqual(sessions)
  })

  test('twenty years of daily bars cost one request', () => {
    expect(plan('equity_bars_1d', '2005-06-01', '2025-06-02').calls).toBe(1)
  })

  test('corporate actions of any range cost one request', () => {
    const { calls, items } = plan('dividends', '2003-09-10', '2025-06-02')
    expect(calls).toBe(1)
    expect(items[0]).toMatchObject({ from: '2003-09-10', to: '2025-06-02' })
  })

  test('ticks cost a request per session, so that a crash repeats one session at most', () => {
    const { items } = plan('equity_trades', '2025-05-19', '2025-05-30')
    expect(items.map(({ from, to }) => [from, to])).toEqual(
      datesOf('2025-05-19', '2025-05-30')
        .reverse()
        .map((date) => [date, date]),
    )
  })

  test('pages that cannot be foreseen are estimated, so that the minutes shown are honest', () => {
    expect(plan('equity_trades', '2025-05-30', '2025-05-30').calls).toBeGreaterThan(1)
  })

  test('the newest sessions come first', () => {
    const { items } = plan('equity_bars_1m', '2024-01-02', '2024-12-31')
    expect(items.map(({ to }) => to)).toEqual(
      items
        .map(({ to }) => to)
        .sort()
        .reverse(),
    )
  })

  test.each(['complete', 'empty', 'not_entitled'] as const)('nothing is asked for what is %s', (state) => {
    const dates = datesOf('2025-05-01', '2025-05-30')
    const { items, calls, held } = plan('equity_bars_1m', '2025-05-01', '2025-05-30', {
      states: all(dates, state),
    })
    expect({ items, calls, held }).toEqual({ items: [], calls: 0, held: dates })
  })

  test.each(['missing', 'failed', 'quarantined', 'pending'] as const)(
    'what is %s is asked for again',
    (state) => {
      const { items } = plan('equity_bars_1m', '2025-05-01', '2025-05-02', {
        states: { '2025-05-01': state, '2025-05-02': 'complete' },
      })
      expect(items).toEqual([{ from: '2025-05-01', to: '2025-05-01', sessions: ['2025-05-01'] }])
    },
  )

  test('force asks for everything once more', () => {
    const dates = datesOf('2025-05-01', '2025-05-30')
    const { items, held } = plan('equity_bars_1m', '2025-05-01', '2025-05-30', {
      states: all(dates, 'complete'),
      force: true,
    })
    expect(items.flatMap(({ sessions }) => sessions)).toEqual(dates)
    expect(held).toEqual(dates)
  })

  test('holes that fit one request share it, and what lies between them is not written again', () => {
    const dates = datesOf('2025-04-01', '2025-05-30')
    const states = { ...all(dates, 'complete'), '2025-04-01': 'missing', '2025-05-30': 'failed' } as const
    expect(plan('equity_bars_1m', '2025-04-01', '2025-05-30', { states }).items).toEqual([
      { from: '2025-04-01', to: '2025-05-30', sessions: ['2025-04-01', '2025-05-30'] },
    ])
  })

  test('holes that do not fit one request get two, without the sessions between them', () => {
    const dates = datesOf('2024-06-03', '2025-05-30')
    const states = { ...all(dates, 'complete'), '2024-06-03': 'missing', '2025-05-30': 'missing' } as const
    expect(
      plan('equity_bars_1m', '2024-06-03', '2025-05-30', { states }).items.map(({ from, to }) => [from, to]),
    ).toEqual([
      ['2025-05-30', '2025-05-30'],
      ['2024-06-03', '2024-06-03'],
    ])
  })

  test('a session that has not ended is pending, and not asked for', () => {
    const { pending, items } = plan('equity_bars_1m', '2025-06-03', '2025-06-04')
    expect(pending).toEqual(['2025-06-04'])
    expect(items.flatMap(({ sessions }) => sessions)).toEqual(['2025-06-03'])
  })

  test('estimates rest on what the series holds, where it holds something', () => {
    const series = seriesOf('equity_bars_1m')
    const ledger = ledgerWith(series, { '2025-05-01': 'complete' }, 10)
    const { estimatedRows } = plan('equity_bars_1m', '2025-05-01', '2025-05-09', { ledger })
    expect(estimatedRows).toBe(6 * 10)
  })

  test('estimates of a series that holds nothing are those of a liquid stock', () => {
    const { estimatedRows, estimatedBytes } = plan('equity_bars_1m', '2025-05-01', '2025-05-09')
    expect(estimatedRows / 7).toBeGreaterThan(390)
    expect(estimatedRows / 7).toBeLessThanOrEqual(960)
    expect(estimatedBytes).toBeGreaterThan(estimatedRows)
  })
})

/** Sessions around three early closes, which have 780 extended minutes instead of 960. */
const DATES = datesOf('2024-11-25', '2024-12-31')
const minutesOf = (date: string): number => (['2024-11-29', '2024-12-24'].includes(date) ? 780 : 960)

/** The fewest windows that cover `wanted`: every way of ending the first window is tried. */
function fewest(wanted: readonly boolean[], pageRows: number, from = 0): number {
  const first = wanted.indexOf(true, from)
  if (first < 0) return 0
  let best = Infinity
  let used = 0
  for (let last = first; last < wanted.length; last++) {
    used += minutesOf(DATES[last]!)
    if (used > pageRows) break
    best = Math.min(best, 1 + fewest(wanted, pageRows, last + 1))
  }
  return best
}

describe('the packing of sessions into requests', () => {
  const wantedSessions = fc
    .array(fc.boolean(), { minLength: 10, maxLength: 10 })
    .chain((wanted) =>
      fc.record({ wanted: fc.constant(wanted), pageRows: fc.integer({ min: 1920, max: 6000 }) }),
    )

  const packed = (wanted: readonly boolean[], pageRows: number): SeriesPlan => {
    const dates = DATES.slice(0, wanted.length)
    const held = dates.filter((_, i) => !wanted[i])
    return plan('equity_bars_1m', dates[0]!, dates.at(-1)!, {
      states: all(held, 'complete'),
      limits: { pageRows, baseSeconds: 60, anyRange: false },
    })
  }

  test('takes as few requests as any packing could', () => {
    fc.assert(
      fc.property(wantedSessions, ({ wanted, pageRows }) => {
        expect(packed(wanted, pageRows).items).toHaveLength(fewest(wanted, pageRows))
      }),
      { numRuns: 300 },
    )
  })

  test('asks for every missing session once, and never for more than a page holds', () => {
    fc.assert(
      fc.property(wantedSessions, ({ wanted, pageRows }) => {
        const { items } = packed(wanted, pageRows)
        const missing = DATES.filter((_, i) => wanted[i])
        expect(items.flatMap(({ sessions }) => sessions).sort()).toEqual(missing)
        for (const { from, to, sessions } of items) {
          expect([sessions[0], sessions.at(-1)]).toEqual([from, to])
          const minutes = datesOf(from, to).reduce((sum, date) => sum + minutesOf(date), 0)
          expect(minutes).toBeLessThanOrEqual(pageRows)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('early closes leave room for more sessions', () => {
    const inWindow = (to: string, pageRows: number): number =>
      plan('equity_bars_1m', '2024-11-25', to, { limits: { pageRows, baseSeconds: 60, anyRange: false } })
        .items[0]!.sessions.length
    expect(inWindow('2024-11-27', 3 * 960 - 180)).toBe(2) // 25th to 27th: three whole sessions
    expect(inWindow('2024-11-29', 3 * 960 - 180)).toBe(3) // 26th, 27th and the short 29th
  })

  test('a session larger than a page is grouped by few, so that a crash repeats little', () => {
    const { items, calls } = plan('equity_bars_1s', '2025-05-01', '2025-05-30')
    expect(items.map(({ sessions }) => sessions.length)).toEqual([5, 5, 5, 5, 1])
    expect(calls).toBeGreaterThan(items.length)
  })
})
