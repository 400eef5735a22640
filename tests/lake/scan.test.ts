import { describe, expect, test } from 'vitest'
import { sliceBatch } from '../../src/core/batch.ts'
import { digestOf } from '../../src/lake/digest.ts'
import { scanContent, sessionRuns } from '../../src/lake/scan.ts'
import { BARS, barRows, batchFor, SESSIONS, TRADES, tradeRows } from '../support/lake.ts'

const { dataset } = BARS
const batch = batchFor(
  BARS,
  SESSIONS.flatMap((date) => barRows(date, 470, 4)),
)

describe('scanContent', () => {
  test('counts rows by session with a digest of each and the minutes without, wherever the batches are cut', async () => {
    for (const cut of [0, 1, 4, 7, 20]) {
      const content = await scanContent(dataset, [sliceBatch(batch, 0, cut), sliceBatch(batch, cut, 20)])
      expect(content).toMatchObject({ rows: 20, digest: digestOf(batch), strays: 0, disorder: 0 })
      expect(Object.fromEntries(content.sessions)).toEqual(
        Object.fromEntries(
          SESSIONS.map((date) => [
            date,
            { rows: 4, digest: digestOf(batchFor(BARS, barRows(date, 470, 4))), absent: '4-389' },
          ]),
        ),
      )
    }
  })

  test('counts rows whose key is not above the one before, within and across batches', async () => {
    const doubled = [sliceBatch(batch, 0, 3), sliceBatch(batch, 2, 6)]
    expect((await scanContent(dataset, doubled)).disorder).toBe(1)
    const backwards = batchFor(BARS, barRows(SESSIONS[0], 470, 5).toReversed())
    expect((await scanContent(dataset, [backwards])).disorder).toBe(4)
  })

  test('counts rows that belong to no session: nights, weekends, no time at all', async () => {
    const [row] = barRows('2025-01-03', 470, 1)
    const at = (iso: string) => ({ ...row, timestamp: Date.parse(iso) * 1000 })
    const strays = [at('2025-01-03T06:00:00Z'), at('2025-01-04T15:00:00Z'), { ...row, timestamp: null }]
    const content = await scanContent(dataset, [batchFor(BARS, [...strays, row!])])
    expect([content.strays, content.rows, [...content.sessions.keys()]]).toEqual([3, 4, ['2025-01-03']])
  })

  test('takes ticks by their nanoseconds: rows of one microsecond are no disorder', async () => {
    const [first] = tradeRows('2025-01-03', 470, 1)
    const second = { ...first, sip_timestamp_ns: (first!.sip_timestamp_ns as bigint) + 1n }
    const content = await scanContent(TRADES.dataset, [batchFor(TRADES, [first!, second])])
    expect(content).toMatchObject({ rows: 2, disorder: 0 })
  })

  test('of nothing is nothing', async () => {
    const content = await scanContent(dataset, [batchFor(BARS, [])])
    expect(content).toMatchObject({ rows: 0, disorder: 0, strays: 0 })
    expect(content.sessions.size).toBe(0)
  })
})

test('sessionRuns cuts a batch where the session changes, and again when one returns', () => {
  const mixed = batchFor(BARS, [
    ...barRows('2025-01-02', 1, 2),
    ...barRows('2025-01-03', 2, 1),
    ...barRows('2025-01-02', 3, 1),
  ])
  const runs = [...sessionRuns(dataset, mixed)].map(({ date, rows }) => [date, rows.length])
  expect(runs).toEqual([
    ['2025-01-02', 2],
    ['2025-01-03', 1],
    ['2025-01-02', 1],
  ])
})
