import { afterAll, describe, expect, test } from 'vitest'
import { claimProvenance } from '../../../src/lake/stamp.ts'
import { commitCell, type StreamLake } from '../../../src/pipeline/stream/cell.ts'
import { LiveSeries } from '../../../src/pipeline/stream/live-series.ts'
import type { Row } from '../../lake/engines/samples.ts'
import {
  batchFor,
  BARS,
  engine,
  record,
  rowsFor,
  SESSIONS,
  testRoot,
  TRADES,
  visibleRows,
} from '../../support/lake.ts'

const [, , JAN2] = SESSIONS
const NEVER = new AbortController().signal
const END = Date.parse('2025-01-03T01:00:00Z')
const PENDING = { state: 'pending', reason: 'being recorded' } as const
afterAll(() => engine.close())

const lakeAt = (root: string, nowMs: number): StreamLake => ({
  ...{ root, runId: 'live', engine, compression: 'zstd', rowGroupRows: 122_880, sourceName: 'simulator' },
  ...{ lockWaitMs: 0, provenance: () => 'synthetic', lateDays: 5, now: () => nowMs },
})

/** Trades as the socket tells them: to the millisecond. */
const liveTrades = (count: number): Row[] =>
  rowsFor(TRADES, JAN2, 1, count).map((row) => ({
    ...row,
    sip_timestamp_ns: BigInt(Math.floor(Number(row['timestamp']) / 1000)) * 1_000_000n,
  }))

/** A session that is complete in the lake with three rows, and live rows of it: those and two more. */
async function receiveLate(nowMs: number, id = BARS) {
  const root = testRoot()
  await claimProvenance(root, 'synthetic')
  await record(root, { [JAN2]: rowsFor(id, JAN2, 1) }, id)
  const series = new LiveSeries(id, JAN2)
  series.addLive(batchFor(id, id === TRADES ? liveTrades(5) : rowsFor(id, JAN2, 1, 5)))
  const held = await commitCell(lakeAt(root, nowMs), series, PENDING, NEVER)
  return { series, held, rows: await visibleRows(root, id) }
}

describe('live rows of a session that is complete', () => {
  test('are merged where the lake lacks them', async () => {
    const { series, held, rows } = await receiveLate(END + 3_600_000)
    expect(series.late).toEqual({ merged: 2, quarantined: 0 })
    expect(held).toBe(5)
    expect(rows).toEqual(rowsFor(BARS, JAN2, 1, 5))
    expect(series.isChanged).toBe(false)
  })

  test('go to quarantine when they come too late', async () => {
    const { series, held, rows } = await receiveLate(END + 30 * 86_400_000)
    expect(series.late).toEqual({ merged: 0, quarantined: 2 })
    expect([held, rows]).toEqual([3, rowsFor(BARS, JAN2, 1)])
  })

  test('are told from final ones by what both have, where their keys differ: ticks', async () => {
    const { series, held, rows } = await receiveLate(END, TRADES)
    expect(series.late).toEqual({ merged: 2, quarantined: 0 })
    expect(held).toBe(5)
    const final = rowsFor(TRADES, JAN2, 1)
    expect(rows.slice(0, 3)).toEqual(final) // exact to the nanosecond; the live ones are not
    expect(rows.slice(3).map((row) => row['sip_timestamp_ns'])).toEqual(
      liveTrades(5)
        .slice(3)
        .map((row) => row['sip_timestamp_ns']),
    )
  })

  test('of ticks go to quarantine, too, when they come too late', async () => {
    const { series, held } = await receiveLate(END + 30 * 86_400_000, TRADES)
    expect(series.late).toEqual({ merged: 0, quarantined: 2 })
    expect(held).toBe(3)
  })
})
