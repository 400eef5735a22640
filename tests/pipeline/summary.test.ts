import { describe, expect, test } from 'vitest'
import { emptyLedger, type Cell, type CellState } from '../../src/lake/ledger.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import type { SeriesOutcome } from '../../src/pipeline/backfill.ts'
import { exitCodeOf, summarize } from '../../src/pipeline/summary.ts'

const DATES = ['2025-05-27', '2025-05-28', '2025-05-29', '2025-05-30']

interface Story {
  readonly ticker?: string
  readonly states: readonly (CellState | undefined)[]
  readonly reasons?: readonly string[]
  readonly pending?: readonly string[]
  readonly stopped?: string
  readonly failures?: number
}

/** An outcome whose cells have `states`, from the first of {@link DATES} on; undefined = no cell. */
function outcome({
  ticker = 'SPY',
  states,
  reasons = [],
  pending = [],
  stopped,
  failures = 0,
}: Story): SeriesOutcome {
  const series = { dataset: datasetNamed('equity_bars_1m'), ticker }
  const sessions = DATES.slice(0, states.length)
  const cells = sessions.flatMap((date, i): [string, Cell][] => {
    const state = states[i]
    const rows = state === 'complete' ? 10 : 0
    return state ? [[date, { state, reason: reasons[i] ?? state, rows, run: 'r', at: 'then' }]] : []
  })
  return {
    series,
    plan: {
      series,
      range: { from: sessions[0]!, to: sessions.at(-1)! },
      sessions,
      held: [],
      again: [],
      pending,
      items: [],
      calls: 0,
      estimatedRows: 0,
      estimatedBytes: 0,
    },
    ledger: { ...emptyLedger(series), cells: Object.fromEntries(cells) },
    rows: 10,
    refused: 2,
    duplicates: 1,
    failures,
    restated: [],
    ...(stopped === undefined ? {} : { stopped }),
  }
}

describe('the exit code tells scripts how the run went', () => {
  test.each<[string, readonly CellState[], number]>([
    ['all complete', ['complete', 'complete'], 0],
    ['complete and known to be empty', ['complete', 'empty'], 0],
    ['all empty', ['empty', 'empty'], 0],
    ['only what has not ended', ['pending'], 0],
    ['complete and pending', ['complete', 'pending'], 0],
    ['one missing', ['complete', 'missing'], 3],
    ['one failed', ['complete', 'failed'], 3],
    ['one beyond the plan', ['complete', 'not_entitled'], 3],
    ['one all invalid', ['complete', 'quarantined'], 3],
    ['all invalid', ['quarantined', 'quarantined'], 3],
    ['all beyond the plan', ['not_entitled', 'not_entitled'], 4],
    ['beyond the plan and pending', ['not_entitled', 'pending'], 4],
    ['all failed', ['failed', 'failed'], 1],
    ['all missing', ['missing'], 1],
    ['failed and beyond the plan', ['failed', 'not_entitled'], 1],
    ['empty and failed', ['empty', 'failed'], 3],
  ])('%s', (_, states, expected) => {
    expect(exitCodeOf(summarize([outcome({ states })], 1))).toBe(expected)
  })

  test('a failed request counts even where an earlier run had recorded its sessions', () => {
    expect(exitCodeOf(summarize([outcome({ states: ['complete'], failures: 1 })], 1))).toBe(3)
  })
})

describe('the summary', () => {
  test('adds up the series', () => {
    const both = [outcome({ states: ['complete'] }), outcome({ ticker: 'QQQ', states: ['complete'] })]
    expect(summarize(both, 7)).toMatchObject({
      rows: 20,
      calls: 7,
      quarantined: 4,
      duplicates: 2,
      states: { complete: 2 },
      holes: [],
    })
  })

  test('names sessions that were not asked for with the reason why', () => {
    const stopped = 'not asked for: 3 requests in a row failed (network)'
    const { sessions } = summarize([outcome({ states: ['complete', undefined], stopped })], 1)
    expect(sessions[1]).toMatchObject({ date: DATES[1], state: 'missing', reason: stopped, rows: 0 })
  })

  test('a session that has not ended is pending even where the ledger does not say so yet', () => {
    const { states } = summarize([outcome({ states: ['complete', undefined], pending: [DATES[1]!] })], 1)
    expect(states).toEqual({ complete: 1, pending: 1 })
  })

  test('joins neighbouring sessions of one kind and reason into one hole, and no others', () => {
    const { holes } = summarize(
      [
        outcome({ states: ['failed', 'failed', 'failed', 'complete'], reasons: ['a', 'a', 'b'] }),
        outcome({ ticker: 'QQQ', states: ['missing', 'complete', 'missing', 'failed'] }),
      ],
      1,
    )
    expect(holes.map(({ ticker, from, to, sessions, state }) => [ticker, from, to, sessions, state])).toEqual(
      [
        ['SPY', DATES[0], DATES[1], 2, 'failed'],
        ['SPY', DATES[2], DATES[2], 1, 'failed'],
        ['QQQ', DATES[0], DATES[0], 1, 'missing'],
        ['QQQ', DATES[2], DATES[2], 1, 'missing'],
        ['QQQ', DATES[3], DATES[3], 1, 'failed'],
      ],
    )
  })

  test('holes of two tickers are never joined', () => {
    const { holes } = summarize(
      [outcome({ states: ['missing'] }), outcome({ ticker: 'QQQ', states: ['missing'] })],
      1,
    )
    expect(holes.map(({ ticker }) => ticker)).toEqual(['SPY', 'QQQ'])
  })
})
