import { describe, expect, test } from 'vitest'
import { lakeBars, openMarket, restBars } from './stream-world.ts'

/** The weeks in which the clocks of New York change, each day with the UTC hours of its extended session. */
const WEEKS = {
  spring: [
    ['2025-03-07', '09:00', '01:00'],
    ['2025-03-10', '08:00', '00:00'],
    ['2025-03-11', '08:00', '00:00'],
    ['2025-03-12', '08:00', '00:00'],
    ['2025-03-13', '08:00', '00:00'],
    ['2025-03-14', '08:00', '00:00'],
  ],
  autumn: [
    ['2025-10-31', '08:00', '00:00'],
    ['2025-11-03', '09:00', '01:00'],
    ['2025-11-04', '09:00', '01:00'],
    ['2025-11-05', '09:00', '01:00'],
    ['2025-11-06', '09:00', '01:00'],
    ['2025-11-07', '09:00', '01:00'],
  ],
} as const

/** Records one session by the built program and returns its bars, having compared them with the vendor's. */
async function record([date, open, close]: readonly [string, string, string]): Promise<readonly string[]> {
  const market = await openMarket({ start: `${date}T${open}:00Z` })
  const { code, document, stderr } = await market.run('stream --ticker SPY --ignore-hours')
  expect(stderr).toContain(`recording the session of ${date} until ${close}Z`)
  expect(document).toMatchObject({ end: 'session_over', session: date, holes: [], reconnects: 0 })
  expect(document.cells).toMatchObject([{ date, state: 'complete' }])
  expect(code).toBe(0)
  const bars = await lakeBars(market.place)
  expect(bars).toEqual(await restBars(market, ['SPY'], date))
  return bars
}

describe.each(['spring', 'autumn'] as const)('the week of the %s change of clocks', (season) => {
  test('is recorded day by day, the Friday before it too, as the vendor has it', async () => {
    const days = WEEKS[season]
    for (let at = 0; at < days.length; at += 2) {
      const both = [days[at]!, days[at + 1]!]
      const recorded = await Promise.all(both.map(record))
      for (const [i, bars] of recorded.entries()) {
        const [date, open] = both[i]!
        expect(bars.length).toBeGreaterThan(850)
        expect(bars[0]! >= `SPY ${date}T${open}`).toBe(true)
      }
    }
  })
})
