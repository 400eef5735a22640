import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { compactSeries, type CompactOptions } from '../../src/lake/compact.ts'
import { seriesAsOf } from '../../src/lake/as-of.ts'
import { ledgerPath, type SeriesId } from '../../src/lake/layout.ts'
import { rebuildLedgers } from '../../src/lake/rebuild.ts'
import { rowsOfSessions } from '../../src/lake/row-diff.ts'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import { rowsOf } from './engines/samples.ts'
import {
  BARS,
  barRows,
  engine,
  engineOnce,
  filesBelow,
  record,
  SESSIONS,
  testRoot,
  TRADES,
  tradeRows,
  visibleRows,
  withWriter,
} from '../support/lake.ts'

const [, , JAN2, JAN3, JAN6] = SESSIONS
const NEVER = new AbortController().signal
afterAll(() => engine.close())

const compact = (root: string, options: Partial<CompactOptions> = {}, series: SeriesId = BARS) =>
  compactSeries(
    series,
    {
      ...{ root, runId: 'compact', nowMs: Date.now(), keepDays: 0, lockWaitMs: 0 },
      ...{ engine, compression: 'zstd', rowGroupRows: 122_880, ...options },
    },
    NEVER,
  )
const view = (root: string, series = BARS) => viewSeries(root, series, engineOnce)
const pause = () => new Promise((resolve) => setTimeout(resolve, 3))
async function now(): Promise<string> {
  await pause()
  const at = new Date().toISOString()
  await pause()
  return at
}

/** The opens (of trades: prices) as of an instant, told from the files that the lake names for it. */
async function asOf(root: string, instant: string, series = BARS): Promise<unknown[]> {
  const { dataset } = series
  const { parts } = await seriesAsOf(root, await view(root, series), instant)
  const values: unknown[] = []
  for (const { file, dates } of parts) {
    const rows = engine.read(dataset, [file])
    const wanted = dates ? rowsOfSessions(dataset, rows, new Set(dates)) : rows
    values.push(...(await rowsOf(wanted)).map((row) => row['open'] ?? row['price']))
  }
  return values.sort()
}

/** Three sessions of one month, restated one after the other, the first of them twice. */
async function restated() {
  const root = testRoot()
  const instants: string[] = []
  const steps = [
    { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1), [JAN6]: barRows(JAN6, 1) },
    { [JAN2]: barRows(JAN2, 2) },
    { [JAN3]: barRows(JAN3, 3) },
    { [JAN2]: barRows(JAN2, 4) },
  ]
  for (const step of steps) {
    await record(root, step)
    instants.push(await now())
  }
  const seen = await Promise.all(instants.map((instant) => asOf(root, instant)))
  expect(seen.map((values) => values.length)).toEqual([9, 9, 9, 9])
  return { root, instants, seen }
}

describe('compaction', () => {
  test('merges the files of versions; every instant reads as before, and the lake is not touched', async () => {
    const { root, instants, seen } = await restated()
    const lake = await Promise.all(
      (await filesBelow(join(root, 'lake'))).map((name) => stat(join(root, 'lake', name))),
    )
    const done = await compact(root)
    expect(done).toMatchObject({ dropped: 0, filesBefore: 3, filesAfter: 2 })
    for (const [i, instant] of instants.entries()) expect(await asOf(root, instant)).toEqual(seen[i])
    const after = await Promise.all(
      (await filesBelow(join(root, 'lake'))).map((name) => stat(join(root, 'lake', name))),
    )
    expect(after.map(({ ino, mtimeMs }) => [ino, mtimeMs])).toEqual(
      lake.map(({ ino, mtimeMs }) => [ino, mtimeMs]),
    )
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
    expect(
      (await filesBelow(join(root, 'history'))).filter((name) => name.endsWith('.parquet')),
    ).toHaveLength(2)
  })

  test('a second time changes nothing', async () => {
    const { root } = await restated()
    await compact(root)
    const ledger = await stat(join(root, ledgerPath(BARS)))
    const again = await compact(root)
    expect(again).toMatchObject({ dropped: 0, filesBefore: 2, filesAfter: 2 })
    expect((await stat(join(root, ledgerPath(BARS)))).ino).toBe(ledger.ino)
  })

  test('drops versions beyond the retention, never live rows; asking for what is gone says so', async () => {
    const { root, instants, seen } = await restated()
    const live = await visibleRows(root, BARS)
    const { history = [] } = (await view(root)).ledger
    const limit = Date.parse(history[1]!.until) // keeps the last two
    const done = await compact(root, { keepDays: 1, nowMs: limit + 86_400_000 })
    expect(done).toMatchObject({ dropped: 1 })
    await expect(asOf(root, instants[0]!)).rejects.toThrow('are not kept any more')
    for (const i of [1, 2, 3]) expect(await asOf(root, instants[i]!)).toEqual(seen[i])
    expect(await compact(root, { keepDays: 1, nowMs: limit + 10 * 86_400_000 })).toMatchObject({ dropped: 2 })
    expect(await filesBelow(join(root, 'history'))).toEqual([])
    expect(await asOf(root, instants[3]!)).toEqual(seen[3])
    expect(await visibleRows(root, BARS)).toEqual(live)
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
  })

  test('of ticks, whose versions are a file each already, merges nothing', async () => {
    const root = testRoot()
    for (const value of [1, 2, 3]) await record(root, { [JAN2]: tradeRows(JAN2, value) }, TRADES)
    expect(await compact(root, {}, TRADES)).toMatchObject({ dropped: 0, filesBefore: 2, filesAfter: 2 })
  })

  test('what it merged is found again when the ledger is lost', async () => {
    const { root, instants, seen } = await restated()
    await compact(root)
    await rm(join(root, ledgerPath(BARS)))
    await rebuildLedgers(root, [BARS], engine, NEVER)
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
    const { history = [] } = (await view(root)).ledger
    expect(history.map(({ kept }) => kept?.path.includes('merged'))).toEqual([true, true, true])
    expect(await asOf(root, instants[3]!)).toEqual(seen[3])
  })

  test('leaves a series alone that somebody writes, and a lake without versions', async () => {
    const { root } = await restated()
    await withWriter(root, BARS, async () => {
      expect((await compact(root)).skipped).toContain('is being written by')
    })
    expect(await compact(testRoot())).toMatchObject({ dropped: 0, filesBefore: 0 })
  })
})
