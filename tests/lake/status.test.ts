import { describe, expect, test } from 'vitest'
import { emptyLedger, type Cell, type Ledger, type Segment } from '../../src/lake/ledger.ts'
import { statusOf } from '../../src/lake/status.ts'
import { BARS } from '../support/lake.ts'

const cell = (state: Cell['state'], reason = 'why', more: Partial<Cell> = {}): Cell => ({
  ...{ state, reason, rows: 0, run: 'r', at: 'now' },
  ...more,
})
const segment = (first: string, last: string, rows: number, bytes: number) =>
  ({ first, last, rows, bytes }) as Segment
const status = (change: Partial<Ledger>) =>
  statusOf({ series: BARS, ledger: { ...emptyLedger(BARS), ...change }, files: [], rebuilt: false })

describe('statusOf', () => {
  test('sums up rows, bytes, files and the range that has rows', () => {
    const segments = [
      segment('2025-01-02', '2025-01-31', 20, 2000),
      segment('2024-12-02', '2024-12-31', 10, 1000),
    ]
    expect(status({ segments })).toMatchObject({
      ...{ dataset: 'equity_bars_1m', ticker: 'SPY', rows: 30, bytes: 3000, files: 2 },
      ...{ first: '2024-12-02', last: '2025-01-31' },
    })
  })

  test('of nothing has no range, no rows and no holes', () => {
    expect(status({})).toMatchObject({ first: null, last: null, rows: 0, bytes: 0, files: 0, holes: [] })
  })

  test('counts cells by state and rows in quarantine', () => {
    const cells = {
      '2025-01-02': cell('complete', 'why', { rows: 5, quarantined: 2 }),
      '2025-01-03': cell('complete', 'why', { rows: 5 }),
      '2025-01-06': cell('empty'),
      '2025-01-07': cell('pending'),
      '2025-01-08': cell('quarantined', 'why', { quarantined: 40 }),
    }
    const found = status({ cells })
    expect(found.quarantined).toBe(42)
    expect(found.cells).toEqual({
      ...{ complete: 2, empty: 1, missing: 0, pending: 1, failed: 0, not_entitled: 0, quarantined: 1 },
    })
  })

  test('names holes in order of date, neighbours of one kind as one, whatever the order in the ledger', () => {
    const cells = {
      '2025-01-10': cell('failed', 'server'),
      '2025-01-02': cell('not_entitled', 'plan'),
      '2025-01-03': cell('not_entitled', 'plan'),
      '2025-01-06': cell('missing', 'lost'),
      '2025-01-07': cell('missing', 'damaged'),
      '2025-01-08': cell('complete'),
      '2025-01-09': cell('failed', 'server'),
      '2025-01-13': cell('empty'),
      '2025-01-14': cell('failed', 'server'),
    }
    const holes = status({ cells }).holes.map(({ from, to, sessions, state, reason }) =>
      [from, to, sessions, state, reason].join(' '),
    )
    expect(holes).toEqual([
      '2025-01-02 2025-01-03 2 not_entitled plan',
      '2025-01-06 2025-01-06 1 missing lost',
      '2025-01-07 2025-01-07 1 missing damaged',
      '2025-01-09 2025-01-10 2 failed server',
      '2025-01-14 2025-01-14 1 failed server',
    ])
  })
})
