import { describe, expect, test } from 'vitest'
import { bars, get, getAll, minutes, type Row, simulate } from './support.ts'

const simulator = await simulate()
const rowsOf = (path: string) => getAll(simulator, path)
const clock = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'America/New_York',
  dateStyle: 'short',
  timeStyle: 'short',
})
const newYork = (ms: number): string => clock.format(ms)
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
const regular = (rows: readonly Row[]): readonly Row[] =>
  rows.filter(({ t }) => newYork(t).slice(11) >= '09:30' && newYork(t).slice(11) < '16:00')

describe('the simulated market', () => {
  test('has bars only within the sessions and extended hours of the exchange', async () => {
    const days = new Set(
      (await rowsOf(minutes('SPY', '2024-12-20', '2025-01-10'))).map(({ t }) => newYork(t).slice(0, 10)),
    )
    for (const closed of ['2024-12-25', '2025-01-01', '2025-01-09', '2024-12-21', '2024-12-22']) {
      expect(days).not.toContain(closed)
    }
    expect(days.size).toBe(13)
  })

  test.each([
    ['a winter day', '2025-01-03', '04:00', '19:59'],
    ['a summer day', '2025-07-02', '04:00', '19:59'],
    ['the Monday after clocks went forward', '2025-03-10', '04:00', '19:59'],
    ['the Monday after clocks went back', '2025-11-03', '04:00', '19:59'],
    ['an early close', '2025-07-03', '04:00', '16:59'],
  ])('trades from %s in New York time', async (_what, date, first, last) => {
    const rows = await rowsOf(minutes('SPY', date))
    expect(newYork(rows[0]!.t)).toBe(`${date} ${first}`)
    expect(newYork(rows.at(-1)!.t)).toBe(`${date} ${last}`)
  })

  test('keeps every bar consistent and on the price grid', async () => {
    for (const ticker of ['SPY', 'AAPL', 'THNY', 'UVXY', 'NA']) {
      for (const bar of await rowsOf(minutes(ticker, '2026-03-02', '2026-03-04'))) {
        expect(bar.l).toBeLessThanOrEqual(Math.min(bar.o, bar.c))
        expect(bar.h).toBeGreaterThanOrEqual(Math.max(bar.o, bar.c))
        expect(bar.l).toBeGreaterThan(0)
        expect(bar.v).toBeGreaterThan(0)
        expect(bar.t % 60_000).toBe(0)
        expect(Math.round(bar.c * 10_000) / 10_000).toBe(bar.c)
        if (bar.n === 1) expect(new Set([bar.o, bar.h, bar.l, bar.c]).size).toBe(1)
      }
    }
  })

  test('trades most at the open and the close, least at noon and outside regular hours', async () => {
    const rows = await rowsOf(minutes('SPY', '2025-02-03', '2025-02-28'))
    const at = (from: string, to: string): number => {
      const some = rows.filter(({ t }) => newYork(t).slice(11) >= from && newYork(t).slice(11) < to)
      return sum(some.map(({ v }) => v)) / some.length
    }
    expect(at('09:30', '10:00')).toBeGreaterThan(1.5 * at('12:00', '13:00'))
    expect(at('15:45', '16:00')).toBeGreaterThan(1.2 * at('12:00', '13:00'))
    expect(at('05:00', '06:00')).toBeLessThan(0.1 * at('12:00', '13:00'))
  })

  test('leaves out minutes without a trade', async () => {
    const thin = await rowsOf(minutes('THNY', '2025-01-02', '2025-01-03'))
    expect(thin.length).toBeGreaterThan(20)
    expect(thin.length).toBeLessThan(2 * 600)
    expect(thin.some(({ n }) => n === 1)).toBe(true)
  })

  test('puts vwap outside the range now and then, and leaves n and vw out of a few bars', async () => {
    const rows = await rowsOf(minutes('SPY', '2025-01-02', '2025-01-31'))
    const outside = rows.filter(({ vw, h, l }) => vw !== undefined && (vw > h || vw < l)).length / rows.length
    expect(outside).toBeGreaterThan(0.05)
    expect(outside).toBeLessThan(0.3)
    const without = rows.filter(({ n }) => n === undefined).length
    expect(without).toBeGreaterThan(0)
    expect(without / rows.length).toBeLessThan(0.01)
  })

  test('has fractions of shares from 2026-02-23 on, and none before', async () => {
    const before = await rowsOf(minutes('SPY', '2026-02-20'))
    const after = await rowsOf(minutes('SPY', '2026-02-23'))
    expect(before.every(({ v }) => Number.isInteger(v))).toBe(true)
    expect(after.filter(({ v }) => !Number.isInteger(v)).length).toBeGreaterThan(after.length / 2)
  })

  test('makes an hour of its minutes and a day of its regular minutes', async () => {
    const minuteBars = await rowsOf(minutes('AAPL', '2025-01-03'))
    const [hour] = (await rowsOf(bars('AAPL', '1/hour', '2025-01-03'))).filter(({ t }) =>
      newYork(t).endsWith('10:00'),
    )
    const ten = minuteBars.filter(({ t }) => newYork(t).slice(11, 13) === '10')
    expect(summary(ten)).toEqual({ o: hour!.o, h: hour!.h, l: hour!.l, c: hour!.c, v: hour!.v })
    const [day] = await rowsOf(bars('AAPL', '1/day', '2025-01-03'))
    expect(summary(regular(minuteBars))).toEqual({ o: day!.o, h: day!.h, l: day!.l, c: day!.c, v: day!.v })
  })

  test('makes a week of its days, adjusted for a split within it', async () => {
    const query = 'adjusted=true'
    const days = await rowsOf(bars('NVDA', '1/day', '2024-06-03', '2024-06-14', query))
    const [week, following] = await rowsOf(bars('NVDA', '1/week', '2024-06-03', '2024-06-14', query))
    expect(summary(days.slice(0, 5))).toEqual({ o: week!.o, h: week!.h, l: week!.l, c: week!.c, v: week!.v })
    expect(newYork(week!.t)).toBe('2024-06-02 00:00')
    expect(newYork(following!.t)).toBe('2024-06-09 00:00')
  })

  test('makes a minute of its seconds and of its trades', async () => {
    const minuteBars = (await rowsOf(minutes('AAPL', '2026-03-02'))).slice(330, 345)
    const from = minuteBars[0]!.t
    const to = minuteBars.at(-1)!.t + 59_999
    const seconds = await rowsOf(bars('AAPL', '1/second', String(from), String(to)))
    const trades = await getAll(
      simulator,
      `/v3/trades/AAPL?timestamp.gte=${from}000000&timestamp.lte=${to}999999&order=asc&limit=50000`,
    )
    for (const bar of minuteBars) {
      const inside = seconds.filter(({ t }) => t >= bar.t && t < bar.t + 60_000)
      expect(summary(inside)).toEqual({ o: bar.o, h: bar.h, l: bar.l, c: bar.c, v: bar.v })
      const sizes = trades.filter((trade) => {
        const ms = Number(trade['sip_timestamp']) / 1e6
        return ms >= bar.t && ms < bar.t + 60_000
      })
      expect(sum(sizes.map((trade) => Number(trade['size'])))).toBeCloseTo(bar.v, 4)
      if (bar.n !== undefined) expect(sizes.length).toBe(bar.n)
    }
  })

  test('divides prices and multiplies volumes of the days before a split', async () => {
    const [raw] = await rowsOf(bars('NVDA', '1/day', '2024-06-07', '2024-06-07', 'adjusted=false'))
    const [adjusted] = await rowsOf(bars('NVDA', '1/day', '2024-06-07', '2024-06-07', 'adjusted=true'))
    expect(adjusted!.c).toBeCloseTo(raw!.c / 10, 4)
    expect(adjusted!.v).toBeCloseTo(raw!.v * 10, 4)
    const [after] = await rowsOf(bars('NVDA', '1/day', '2024-06-10', '2024-06-10', 'adjusted=false'))
    expect(after!.o / raw!.c).toBeCloseTo(0.1, 1)
  })

  test('knows tickers that were listed late and delisted', async () => {
    expect(await rowsOf(bars('NEWC', '1/day', '2021-06-01', '2021-06-29'))).toEqual([])
    expect((await rowsOf(bars('NEWC', '1/day', '2021-06-01', '2021-07-02'))).length).toBe(3)
    expect((await rowsOf(bars('GONE', '1/day', '2023-04-28', '2023-06-30'))).length).toBe(2)
  })

  test('has index values without volume, at days that begin in Chicago', async () => {
    const { body } = await get(simulator, bars('I:VIX', '1/day', '2025-01-03', '2025-01-03', ''))
    expect(body).not.toHaveProperty('adjusted')
    expect(Object.keys(body.results![0]!).sort()).toEqual(['c', 'h', 'l', 'o', 't'])
    expect(newYork(body.results![0]!.t)).toBe('2025-01-03 01:00')
  })

  test('stays within a plausible price over twenty years', async () => {
    const years = await rowsOf(bars('SPY', '1/year', '2005-01-01', '2024-12-31', 'limit=50000'))
    expect(years.length).toBe(20)
    for (const year of years) {
      expect(year.l).toBeGreaterThan(20)
      expect(year.h).toBeLessThan(2000)
    }
  })
})

describe('determinism', () => {
  const path = minutes('SPY', '2025-01-02', '2025-01-10')

  test('gives the same bytes from another instance of the same seed, and others from another seed', async () => {
    const twin = await simulate()
    const other = await simulate({ seed: 2 })
    const first = await get(simulator, path)
    expect((await get(twin, path)).text).toBe(first.text)
    expect((await get(other, path)).text).not.toBe(first.text)
  })

  test('gives the same rows whatever was asked before, in whichever pages', async () => {
    const inOne = await rowsOf(path)
    const inPages = await getAll(
      await simulate(),
      minutes('SPY', '2025-01-02', '2025-01-10', 'adjusted=false&limit=777'),
    )
    expect(inPages).toEqual(inOne)
    expect((await rowsOf(minutes('SPY', '2025-01-07'))).length).toBeGreaterThan(900)
    const day = await rowsOf(minutes('SPY', '2025-01-07'))
    expect(inOne.filter(({ t }) => newYork(t).startsWith('2025-01-07'))).toEqual(day)
  })
})

describe('the clock', () => {
  test('shows nothing after now, and a session so far while it runs', async () => {
    const noon = Date.parse('2026-03-10T16:00:30Z')
    const early = await simulate({ now: () => noon })
    const sofar = await getAll(early, minutes('SPY', '2026-03-10', '2026-03-12'))
    expect(sofar.at(-1)!.t).toBe(noon - 90_000)
    const whole = await rowsOf(minutes('SPY', '2026-03-10'))
    expect(whole.slice(0, sofar.length)).toEqual(sofar)
    const [day] = await getAll(early, bars('SPY', '1/day', '2026-03-10'))
    expect(day!.c).toBe(sofar.at(-1)!.c)
  })

  test('can be moved while the simulator runs', async () => {
    let nowMs = Date.parse('2026-03-10T03:00:00Z')
    const moving = await simulate({ now: () => nowMs })
    expect(await getAll(moving, minutes('SPY', '2026-03-10'))).toEqual([])
    nowMs += 86_400_000
    expect((await getAll(moving, minutes('SPY', '2026-03-10'))).length).toBeGreaterThan(900)
  })
})

function summary(rows: readonly Row[]) {
  return {
    o: rows[0]!.o,
    h: Math.max(...rows.map(({ h }) => h)),
    l: Math.min(...rows.map(({ l }) => l)),
    c: rows.at(-1)!.c,
    v: Math.round(sum(rows.map(({ v }) => v)) * 1e6) / 1e6,
  }
}
