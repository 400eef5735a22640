import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { LockedError } from '../../src/core/errors.ts'
import { ledgerPath } from '../../src/lake/layout.ts'
import { parseLedger } from '../../src/lake/ledger.ts'
import { quarantinedRows } from '../../src/lake/quarantine.ts'
import { rebuildLedgers } from '../../src/lake/rebuild.ts'
import { verifySeries } from '../../src/lake/verify.ts'
import {
  BARS,
  barRows,
  batchFor,
  engine,
  engineOnce,
  filesBelow,
  record,
  rowsFor,
  SESSIONS,
  settle,
  testRoot,
  TRADES,
  tradeRows,
  withWriter,
} from '../support/lake.ts'

const [, DEC31, JAN2] = SESSIONS
const NEVER = new AbortController().signal
const rebuild = (root: string) => rebuildLedgers(root, [BARS, TRADES], engine, NEVER)
afterAll(() => engine.close())

async function recorded(): Promise<string> {
  const root = testRoot()
  await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 2) })
  await record(root, { [JAN2]: tradeRows(JAN2, 1) }, TRADES)
  return root
}

/** Content, inode and time of every Parquet file. */
async function parquetFiles(root: string) {
  const names = (await filesBelow(join(root, 'lake'))).map((name) => join(root, 'lake', name))
  return await Promise.all(
    names.map(async (name) => {
      const { ino, mtimeMs } = await stat(name)
      return [name, ino, mtimeMs, (await readFile(name)).toString('base64')]
    }),
  )
}

describe('rebuilding ledgers', () => {
  test.each([
    ['lost', (path: string) => rm(path)],
    ['torn', async (path: string) => writeFile(path, (await readFile(path)).subarray(0, 300))],
    [
      'edited',
      async (path: string) =>
        writeFile(path, (await readFile(path, 'utf8')).replace('"rows":3', '"rows":30')),
    ],
  ])('a ledger that was %s holds the same rows again; no Parquet file changes', async (_, damage) => {
    const root = await recorded()
    const path = join(root, ledgerPath(BARS))
    const before = parseLedger(await readFile(path, 'utf8'), path, BARS)
    const files = await parquetFiles(root)
    await damage(path)
    expect(await rebuild(root)).toEqual([ledgerPath(BARS)])
    expect(await parquetFiles(root)).toEqual(files)
    const after = parseLedger(await readFile(path, 'utf8'), path, BARS)
    expect(after.segments).toEqual(before.segments)
    for (const date of [DEC31, JAN2]) {
      const { rows, digest } = before.cells[date]!
      expect(after.cells[date]).toMatchObject({ state: 'complete', rows, digest })
    }
    expect((await verifySeries(root, BARS, engineOnce)).findings).toEqual([])
  })

  test('a session that went on when its rows were committed is not called complete', async () => {
    const root = testRoot()
    await record(root, { [DEC31]: barRows(DEC31, 1) })
    const open = settle([JAN2], { state: 'pending', reason: 'the session goes on', refused: [] })
    for (const series of [BARS, TRADES]) {
      await withWriter(root, series, async (writer) => {
        const sink = writer.openSink([JAN2], true)
        await sink.write(batchFor(series, rowsFor(series, JAN2, 1)))
        await sink.commit(open)
      })
    }
    await record(root, { [SESSIONS[3]]: barRows(SESSIONS[3], 1) }) // writes the month of the open session again
    for (const series of [BARS, TRADES]) {
      await rm(join(root, ledgerPath(series)))
      await withWriter(root, series, async ({ ledger }) => {
        expect(ledger.cells[JAN2]).toMatchObject({ state: 'pending', rows: 3 })
      })
    }
    await withWriter(root, BARS, async ({ ledger }) => {
      expect([DEC31, SESSIONS[3]].map((date) => ledger.cells[date]?.state)).toEqual(['complete', 'complete'])
    })
  })

  test('refused rows, which are kept apart, are counted in their sessions again', async () => {
    const root = await recorded()
    const batch = batchFor(BARS, barRows(JAN2, 9))
    const refused = quarantinedRows(batch, [{ row: 1, rule: 'positive', reason: 'test' }], 'run-1')
    await withWriter(root, BARS, (writer) =>
      writer.settle(new Map([[JAN2, { state: 'complete', reason: 'recorded', refused }]])),
    )
    await rm(join(root, ledgerPath(BARS)))
    await rebuild(root)
    await withWriter(root, BARS, async ({ ledger }) => {
      expect([DEC31, JAN2].map((date) => ledger.cells[date]?.quarantined)).toEqual([undefined, 1])
    })
  })

  test('ledgers that are in order are left alone, to the byte', async () => {
    const root = await recorded()
    const before = await stat(join(root, ledgerPath(BARS)))
    expect(await rebuild(root)).toEqual([])
    expect(await stat(join(root, ledgerPath(BARS)))).toMatchObject({
      ino: before.ino,
      mtimeMs: before.mtimeMs,
    })
  })

  test('beside a writer of the series it is refused', async () => {
    const root = await recorded()
    await withWriter(root, BARS, async () => {
      await rm(join(root, ledgerPath(BARS)))
      await expect(rebuild(root)).rejects.toBeInstanceOf(LockedError)
    })
  })
})
