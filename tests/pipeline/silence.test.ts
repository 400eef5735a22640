import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EntitlementError, NetworkError } from '../../src/core/errors.ts'
import type { CellState } from '../../src/lake/ledger.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { ScriptedSource } from '../support/scripted-source.ts'
import { record } from './record.ts'

const DATES = calendarOf('XNYS')
  .between('2025-05-01', '2025-05-30')
  .map(({ date }) => date)

/** What really is the matter with a session. */
const KINDS = ['traded', 'quiet', 'lost', 'late', 'bad'] as const
type Kind = (typeof KINDS)[number]

interface Market {
  readonly kinds: readonly Kind[]
  /** The plan's history begins with this session. */
  readonly start: number
  readonly sessionsPerRequest: number
  readonly concurrency: number
}

/**
 * `traded` has rows; `quiet` had no trades; `lost` traded, but the vendor has no rows; `late` brings its rows
 * only when asked again; `bad` brings rows that break a rule. A range before the plan is refused, one across its
 * beginning is cut without a word.
 */
function sourceOf({ kinds, start, sessionsPerRequest }: Market): ScriptedSource {
  return new ScriptedSource({
    limits: { pageRows: sessionsPerRequest * 960 },
    onRequest: ({ to }) => {
      if (to < DATES[start]!) throw new EntitlementError("Your plan doesn't include this data timeframe.")
    },
    bars: (date, { dataset }, n) => {
      const at = DATES.indexOf(date)
      const kind = kinds[at]!
      if (at < start) return 'none'
      if (dataset.name === 'equity_bars_1d') return kind === 'quiet' ? 'none' : 'good'
      if (kind === 'bad') return 'bad'
      return kind === 'traded' || (kind === 'late' && n > 0) ? 'good' : 'none'
    },
  })
}

const TRUTH: Readonly<Record<Kind, CellState>> = {
  traded: 'complete',
  quiet: 'empty',
  lost: 'missing',
  late: 'complete',
  bad: 'quarantined',
}

const markets: fc.Arbitrary<Market> = fc.integer({ min: 1, max: 12 }).chain((sessions) =>
  fc.record({
    kinds: fc.array(fc.constantFrom(...KINDS), { minLength: sessions, maxLength: sessions }),
    start: fc.integer({ min: 0, max: sessions - 1 }),
    sessionsPerRequest: fc.integer({ min: 2, max: 6 }),
    concurrency: fc.integer({ min: 1, max: 3 }),
  }),
)

describe("what is made of a vendor's silence", () => {
  test('is the truth about every session, whatever the vendor leaves out', async () => {
    await fc.assert(
      fc.asyncProperty(markets, async (market) => {
        const { kinds, start, concurrency } = market
        const source = sourceOf(market)
        const run = await record({ source, from: DATES[0]!, to: DATES[kinds.length - 1]!, concurrency })
        kinds.forEach((kind, at) => {
          const state = run.cells[DATES[at]!]
          expect([kind, at, state]).toEqual([kind, at, at < start ? 'not_entitled' : TRUTH[kind]])
        })
        expect(run.rows).toBe(run.sessions.reduce((sum, { rows }) => sum + rows, 0))
      }),
      { numRuns: 40 },
    )
  })

  test('costs few questions, however many sessions are silent', async () => {
    const kinds = DATES.map((): Kind => 'quiet')
    const source = sourceOf({ kinds, start: 0, sessionsPerRequest: 3, concurrency: 1 })
    const run = await record({ source, from: DATES[0]!, to: DATES.at(-1)! })
    expect(run.states).toEqual({ empty: DATES.length })
    const items = Math.ceil(DATES.length / 3)
    // the items, the oldest session of each alone, the daily bars, the ticker
    expect(source.calls).toBeLessThanOrEqual(2 * items + 2)
  })

  test("the plan's beginning is found in a few questions, even where nothing traded around it", async () => {
    const kinds = DATES.map((_, at): Kind => (at < 18 ? 'quiet' : 'traded'))
    const source = sourceOf({ kinds, start: 13, sessionsPerRequest: 50, concurrency: 1 })
    const run = await record({ source, from: DATES[0]!, to: DATES.at(-1)! })
    expect(run.states).toEqual({ not_entitled: 13, empty: 5, complete: 3 })
    expect(source.calls).toBeLessThanOrEqual(2 + 2 + 5) // bars and the beginning again, daily bars and what lies before, the search
  })

  test('a failure while asking about it fails the item, and the next run asks again', async () => {
    let isDown = true
    const source = new ScriptedSource({
      onRequest: ({ from, to }) => {
        if (isDown && from === to) throw new NetworkError('the connection was reset')
      },
      bars: (_, { dataset }) => (dataset.name === 'equity_bars_1d' ? 'good' : 'none'),
    })
    const run = await record({ source })
    expect(run.states).toEqual({ failed: 5 })
    isDown = false
    expect((await record({ source, root: run.root })).states).toEqual({ missing: 5 })
  })
})
