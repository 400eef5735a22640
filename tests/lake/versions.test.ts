import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openLake } from '../../src/lake/index.ts'
import { ledgerPath, segmentPath, type SeriesId } from '../../src/lake/layout.ts'
import type { Version } from '../../src/lake/ledger.ts'
import { openReader } from '../../src/lake/reader/index.ts'
import { rebuildLedgers } from '../../src/lake/rebuild.ts'
import { viewSeries } from '../../src/lake/series-store.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import type { Row } from './engines/samples.ts'
import {
  BARS,
  barRows,
  batchFor,
  COMPLETE,
  EMPTY,
  engine,
  engineOnce,
  filesBelow,
  record,
  SESSIONS,
  settle,
  testRoot,
  TRADES,
  tradeRows,
  unfinishedBelow,
  visibleRows,
  withWriter,
} from '../support/lake.ts'

const [, DEC31, JAN2, JAN3, JAN6] = SESSIONS
afterAll(() => engine.close())

const ledgerOf = async (root: string, series = BARS) => (await viewSeries(root, series, engineOnce)).ledger
const historyOf = async (root: string, series = BARS): Promise<readonly Version[]> =>
  (await ledgerOf(root, series)).history ?? []
const pause = () => new Promise((resolve) => setTimeout(resolve, 3)) // so that instants differ
async function now(): Promise<string> {
  await pause()
  const at = new Date().toISOString()
  await pause()
  return at
}

/** What `query --as-of` reads of a series: its closes (of trades: prices), in order. */
async function valuesAsOf(
  root: string,
  asOf: string | undefined,
  series: SeriesId = BARS,
): Promise<number[]> {
  const lake = await openLake(root)
  const views = await lake.files({ asOf })
  await lake.close()
  const reader = await openReader({ views, tempDirectory: join(root, 'state/scratch') })
  const column = series === TRADES ? 'price' : 'close'
  const result = await reader.query(`SELECT ${column} FROM ${series.dataset.name} ORDER BY timestamp`)
  const found: number[] = []
  for await (const chunk of result.chunks()) for (const [value] of chunk.getRows()) found.push(Number(value))
  await reader.close()
  return found
}
async function collected<T>(flow: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of flow) all.push(one)
  return all
}
const closes = (...recordings: readonly (readonly Row[])[]) => recordings.flat().map((row) => row['close'])

async function diffLines(root: string, path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(root, path), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('a restatement', () => {
  test('keeps the rows before outside the lake, with what changed row by row', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) })
    const before = await readFile(join(root, segmentPath(BARS, '2025-01')))
    const { ino } = await stat(join(root, segmentPath(BARS, '2025-01')))
    const changed = barRows(JAN2, 1).map((row, i) => (i === 1 ? { ...row, close: 9.5, vwap: 9 } : row))
    const receipt = await withWriter(root, BARS, async (writer) => {
      const sink = writer.openSink([JAN2])
      await sink.write(batchFor(BARS, [changed[1]!, changed[2]!, ...barRows(JAN2, 7, 4).slice(3)]))
      return await sink.commit(settle([JAN2]))
    })
    const counts = { added: 1, removed: 1, changed: 1 }
    expect(receipt.restated).toEqual([{ date: JAN2, rowsBefore: 3, rowsAfter: 3, ...counts }])
    const [version, ...others] = await historyOf(root)
    expect(others).toEqual([])
    expect(version).toMatchObject({ date: JAN2, state: 'complete', rows: 3, run: 'run-1', diff: counts })
    const kept = join(root, version!.kept!.path)
    expect(await readFile(kept)).toEqual(before)
    expect((await stat(kept)).ino).toBe(ino) // the same file under another name: no copy
    expect(version!.kept!.path).toMatch(/^history\/equity_bars_1m\/ticker=SPY\/2025-01_/)
    const [head, removed, change, added, tail] = await diffLines(root, version!.diff!.path)
    expect(head).toMatchObject({ schema: { name: 'tapelake.diff' }, ticker: 'SPY', partition: '2025-01' })
    expect(removed).toMatchObject({
      session: JAN2,
      change: 'removed',
      row: { timestamp: `${JAN2}T14:30:00Z` },
    })
    expect(change).toEqual({
      ...{ session: JAN2, change: 'changed', key: { ticker: 'SPY', timestamp: `${JAN2}T14:31:00Z` } },
      ...{ before: { close: 1.01, vwap: null }, after: { close: 9.5, vwap: 9 } },
    })
    expect(added).toMatchObject({ change: 'added', row: { close: 7.03 } })
    const { sha256, ...diff } = version!.diff!
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(tail).toEqual({ versions: [{ ...version, diff }] }) // a file cannot hold its own checksum
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
  })

  test('the same rows again change no file, not even the ledger', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    const shape = async () =>
      await Promise.all(
        (await filesBelow(root))
          .filter((name) => !name.startsWith('state/'))
          .map(async (name) => {
            const { ino, mtimeMs } = await stat(join(root, name))
            return [name, ino, mtimeMs]
          }),
      )
    const before = await shape()
    await pause()
    await record(root, { [JAN2]: barRows(JAN2, 1) }, BARS, 'run-2')
    expect(await shape()).toEqual(before)
  })

  test('more sessions of a month, and a session that was still being recorded, leave no version', async () => {
    const root = testRoot()
    const pending = { state: 'pending', reason: 'being recorded' } as const
    await withWriter(root, BARS, async (writer) => {
      for (const count of [1, 2, 3]) {
        const sink = writer.openSink([JAN2])
        await sink.write(batchFor(BARS, barRows(JAN2, 1, count)))
        await sink.commit(settle([JAN2], count < 3 ? pending : COMPLETE))
      }
    })
    await record(root, { [JAN3]: barRows(JAN3, 1) })
    expect(await historyOf(root)).toEqual([])
  })

  test('a session that failed again and again leaves one version, in words only', async () => {
    const root = testRoot()
    await withWriter(root, BARS, async (writer) => {
      for (const reason of ['server', 'network', 'server']) {
        await writer.settle(settle([JAN2], { state: 'failed', reason }))
        await pause()
      }
      await writer.settle(settle([JAN2], EMPTY))
    })
    const history = await historyOf(root)
    expect(history).toMatchObject([{ date: JAN2, state: 'failed', rows: 0 }])
    expect(history[0]!.kept).toBeUndefined()
    expect(history[0]!.until > history[0]!.at).toBe(true)
  })

  test('rows that were damaged are not kept, and that is said', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    await appendFile(join(root, segmentPath(BARS, '2025-01')), 'x')
    const { restated } = await withWriter(root, BARS, async (writer) => {
      const sink = writer.openSink([JAN2])
      await sink.write(batchFor(BARS, barRows(JAN2, 2)))
      return await sink.commit(settle([JAN2]))
    })
    expect(restated).toEqual([])
    expect(await historyOf(root)).toMatchObject([{ date: JAN2, rows: 3 }])
    expect((await historyOf(root))[0]!.kept).toBeUndefined()
    expect(await filesBelow(join(root, 'history'))).toEqual([])
  })
})

describe('the lake as of an instant', () => {
  test('reads what every session was then, from plain files, and nothing recorded later', async () => {
    const root = testRoot()
    const start = await now()
    await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1) })
    const first = await now()
    await record(root, { [JAN2]: barRows(JAN2, 2), [JAN3]: barRows(JAN3, 2) })
    const second = await now()
    await record(root, { [JAN2]: barRows(JAN2, 3), [DEC31]: barRows(DEC31, 3) })
    const third = await now()
    await record(root, { [JAN2]: barRows(JAN2, 1), [JAN6]: barRows(JAN6, 1) }) // as it was at first
    expect(await valuesAsOf(root, start)).toEqual([])
    expect(await valuesAsOf(root, first)).toEqual(closes(barRows(DEC31, 1), barRows(JAN2, 1)))
    expect(await valuesAsOf(root, second)).toEqual(
      closes(barRows(DEC31, 1), barRows(JAN2, 2), barRows(JAN3, 2)),
    )
    expect(await valuesAsOf(root, third)).toEqual(
      closes(barRows(DEC31, 3), barRows(JAN2, 3), barRows(JAN3, 2)),
    )
    const present = closes(barRows(DEC31, 3), barRows(JAN2, 1), barRows(JAN3, 2), barRows(JAN6, 1))
    expect(await valuesAsOf(root, await now())).toEqual(present)
    expect(await valuesAsOf(root, undefined)).toEqual(present)
    const lake = await openLake(root)
    const [status] = await collected(lake.status({ asOf: second }))
    expect(status).toMatchObject({ first: DEC31, last: JAN3, rows: 9, files: 3, cells: { complete: 3 } })
    await lake.close()
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
    // whoever globs over the lake sees live rows only
    expect((await visibleRows(root, BARS)).map((row) => row['close'])).toEqual(present)
  })

  test('reads ticks, of which a file is a session, and states without rows', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: tradeRows(JAN2, 1) }, TRADES)
    await withWriter(root, TRADES, (writer) =>
      writer.settle(settle([JAN3], { state: 'failed', reason: 'x' })),
    )
    const first = await now()
    await record(root, { [JAN2]: tradeRows(JAN2, 2, 5), [JAN3]: tradeRows(JAN3, 2) }, TRADES)
    expect(await valuesAsOf(root, first, TRADES)).toEqual(tradeRows(JAN2, 1).map(({ price }) => price))
    const lake = await openLake(root)
    const [status] = await collected(lake.status({ asOf: first }))
    expect(status).toMatchObject({ rows: 3, cells: { complete: 1, failed: 1 } })
    expect(status!.holes).toMatchObject([{ from: JAN3, state: 'failed' }])
    await lake.close()
  })

  test('says so where the rows of then are gone', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    const first = await now()
    await record(root, { [JAN2]: barRows(JAN2, 2) })
    const [version] = await historyOf(root)
    await rm(join(root, version!.kept!.path))
    await expect(valuesAsOf(root, first)).rejects.toThrow(`${version!.kept!.path} is gone`)
    const { findings } = await verifySeries(root, BARS, engineOnce)
    expect(findings).toMatchObject([{ problem: 'file_missing', file: version!.kept!.path }])
  })

  test('outlives the loss of the ledger', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) })
    const first = await now()
    await record(root, { [JAN2]: barRows(JAN2, 2) })
    const second = await now()
    await record(root, { [JAN2]: barRows(JAN2, 3), [JAN3]: barRows(JAN3, 3) })
    const history = await historyOf(root)
    await rm(join(root, ledgerPath(BARS)))
    await rebuildLedgers(root, [BARS], engine, new AbortController().signal)
    expect(await historyOf(root)).toEqual(history)
    expect(await valuesAsOf(root, first)).toEqual(closes(barRows(JAN2, 1), barRows(JAN3, 1)))
    expect(await valuesAsOf(root, second)).toEqual(closes(barRows(JAN2, 2), barRows(JAN3, 1)))
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
  })
})

describe('verify', () => {
  test('finds damage in versions that gave way, and files that no ledger names', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    await record(root, { [JAN2]: barRows(JAN2, 2) })
    const [version] = await historyOf(root)
    const kept = join(root, version!.kept!.path)
    const whole = await readFile(kept)
    whole[whole.length >> 1]! ^= 4
    await writeFile(kept, whole)
    const quick = await verifySeries(root, BARS, engineOnce, { deep: false })
    expect(quick.findings).toMatchObject([{ problem: 'checksum', file: version!.kept!.path }])
    await rm(join(root, version!.diff!.path))
    await writeFile(join(root, 'history/equity_bars_1m/ticker=SPY/mine.parquet'), 'x')
    const problems = (await verifySeries(root, BARS, engineOnce)).findings.map(
      ({ problem, file }) => `${problem} ${file}`,
    )
    expect(problems).toEqual(
      expect.arrayContaining([
        `file_missing ${version!.diff!.path}`,
        'orphan history/equity_bars_1m/ticker=SPY/mine.parquet',
      ]),
    )
    expect(await unfinishedBelow(root)).toEqual([])
  })
})
