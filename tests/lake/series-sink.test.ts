import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { IntegrityError, SchemaError } from '../../src/core/errors.ts'
import { ledgerPath, segmentPath, seriesFolder, type SeriesId } from '../../src/lake/layout.ts'
import { quarantinedRows, readQuarantine } from '../../src/lake/quarantine.ts'
import type { CellVerdict } from '../../src/lake/series-contract.ts'
import { equityBars1d } from '../../src/market/datasets/equity-bars.ts'
import { dividends } from '../../src/market/datasets/corporate-actions.ts'
import {
  BARS,
  barRows,
  batchFor,
  commitRows,
  COMPLETE,
  EMPTY,
  engine,
  filesBelow,
  openWriter,
  record,
  rowsFor,
  SESSIONS,
  settle,
  testRoot,
  TRADES,
  tradeRows,
  unfinishedBelow,
  visibleRows,
  withWriter,
} from '../support/lake.ts'

const [DEC30, DEC31, JAN2, JAN3] = SESSIONS
afterAll(() => engine.close())

const refusals = (date: string, count: number) =>
  quarantinedRows(
    batchFor(BARS, barRows(date, 1, count)),
    Array.from({ length: count }, (_, row) => ({ row, rule: 'r', reason: 'bad' })),
    'run',
  )

describe.each([
  ['bars', BARS],
  ['trades', TRADES],
] as const)('recording %s', (_, series: SeriesId) => {
  const rows = (date: string, value: number, count?: number) => rowsFor(series, date, value, count)

  test('shows nothing before the commit, and everything after it', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([DEC31, JAN2])
      await sink.write(batchFor(series, [...rows(DEC31, 1), ...rows(JAN2, 1)]))
      expect(await visibleRows(root, series)).toEqual([])
      expect(writer.ledger.cells).toEqual({})
      const receipt = await sink.commit(settle([DEC31, JAN2]))
      expect(receipt.rows).toBe(6)
      expect(receipt.cells.get(JAN2)).toMatchObject({ state: 'complete', rows: 3 })
    })
    expect(await visibleRows(root, series)).toEqual([...rows(DEC31, 1), ...rows(JAN2, 1)])
  })

  test('again replaces whole sessions and keeps the others of the same month', async () => {
    const root = testRoot()
    await record(root, { [DEC30]: rows(DEC30, 1), [DEC31]: rows(DEC31, 1), [JAN2]: rows(JAN2, 1) }, series)
    await record(root, { [DEC31]: rows(DEC31, 2, 1) }, series, 'run-2')
    expect(await visibleRows(root, series)).toEqual([
      ...rows(DEC30, 1),
      ...rows(DEC31, 2, 1),
      ...rows(JAN2, 1),
    ])
  })

  test('rows in any order, over many batches, with repeated keys: sorted, the last given wins', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([DEC31, JAN2])
      await sink.write(batchFor(series, rows(JAN2, 1, 4).toReversed()))
      await sink.write(batchFor(series, []))
      await sink.write(batchFor(series, rows(DEC31, 1, 4)))
      await sink.write(batchFor(series, rows(JAN2, 2, 2)))
      await sink.commit(settle([DEC31, JAN2]))
    })
    expect(await visibleRows(root, series)).toEqual([
      ...rows(DEC31, 1, 4),
      ...rows(JAN2, 2, 2),
      ...rows(JAN2, 1, 4).slice(2),
    ])
  })

  test('the same answer again rewrites no file and no cell, though another run gave it', async () => {
    const root = testRoot()
    await record(root, { [DEC31]: rows(DEC31, 1), [JAN2]: rows(JAN2, 1) }, series)
    const files = (await filesBelow(root)).filter((name) => /parquet$|json$/.test(name))
    const inodes = () => Promise.all(files.map(async (name) => (await stat(join(root, name))).ino))
    const before = await inodes()
    const receipt = await record(root, { [JAN2]: rows(JAN2, 1), [DEC31]: rows(DEC31, 1) }, series, 'run-2')
    expect(await inodes()).toEqual(before)
    expect(receipt.cells.get(JAN2)).toMatchObject({ run: 'run-1', rows: 3 })
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test('the same rows once more complete a session that was pending, and rewrite no file', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([JAN2])
      await sink.write(batchFor(series, rows(JAN2, 1)))
      await sink.commit(settle([JAN2], { state: 'pending', reason: 'recorded live, not reconciled' }))
    })
    const parquet = (await filesBelow(root)).filter((name) => name.endsWith('.parquet'))
    const inodes = () => Promise.all(parquet.map(async (name) => (await stat(join(root, name))).ino))
    const before = await inodes()
    const receipt = await record(root, { [JAN2]: rows(JAN2, 1) }, series, 'run-2')
    expect(receipt.cells.get(JAN2)).toMatchObject({ state: 'complete', rows: 3, run: 'run-2' })
    expect(await inodes()).toEqual(before)
    await withWriter(root, series, async ({ ledger }) => {
      expect(ledger.cells[JAN2]).toMatchObject({ state: 'complete', reason: COMPLETE.reason, rows: 3 })
    })
  })

  test('an answer without rows never takes held rows away', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: rows(JAN2, 1) }, series)
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([JAN2, JAN3])
      const receipt = await sink.commit(settle([JAN2, JAN3], EMPTY))
      expect(receipt.cells.get(JAN2)).toMatchObject({ state: 'complete', rows: 3 })
      expect(receipt.cells.get(JAN3)).toMatchObject({ state: 'empty', rows: 0 })
    })
    expect(await visibleRows(root, series)).toEqual(rows(JAN2, 1))
  })

  test('refuses rows of a session that it was not opened for, and of none', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([JAN2])
      await expect(sink.write(batchFor(series, rows(JAN3, 1)))).rejects.toThrow(`a row of ${JAN3}`)
      const night = { ...rows(JAN2, 1, 1)[0], timestamp: Date.parse('2025-01-02T06:00:00Z') * 1000 }
      await expect(sink.write(batchFor(series, [night]))).rejects.toThrow('a row of no session')
      await expect(sink.write(batchFor(series, [night]))).rejects.toThrow(SchemaError)
      await sink.abort()
    })
    expect(await filesBelow(join(root, 'lake'))).toEqual([])
  })

  test('refuses to commit rows of a session about which nothing is said', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([JAN2, JAN3])
      await sink.write(batchFor(series, [...rows(JAN2, 1), ...rows(JAN3, 1)]))
      await expect(sink.commit(settle([JAN2]))).rejects.toThrow(`rows of ${JAN3} came`)
    })
    expect(await filesBelow(join(root, 'lake'))).toEqual([])
  })

  test('given up, it leaves nothing behind', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      const sink = writer.openSink([JAN2])
      await sink.write(batchFor(series, rows(JAN2, 1)))
      await sink.abort()
      await sink.abort()
    })
    expect(await filesBelow(join(root, 'lake'))).toEqual([])
    expect(await visibleRows(root, series)).toEqual([])
  })

  test('through many sinks at once, all that was committed is there', async () => {
    const root = testRoot()
    await withWriter(root, series, async (writer) => {
      await Promise.all(SESSIONS.map((date) => commitRows(writer, { [date]: rows(date, 1) })))
    })
    expect(await visibleRows(root, series)).toEqual(SESSIONS.flatMap((date) => rows(date, 1)))
  })
})

describe('segments', () => {
  test('of ticks are one file a session, of bars one a month, of days and events one in all', async () => {
    const root = testRoot()
    await record(root, { [DEC31]: tradeRows(DEC31, 1), [JAN2]: tradeRows(JAN2, 1) }, TRADES)
    await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) })
    const days = { dataset: equityBars1d, ticker: 'SPY' }
    const midnight = (date: string) => Date.parse(`${date}T05:00:00Z`) * 1000
    const dayRow = (date: string) => ({ ...barRows(date, 1, 1)[0], timestamp: midnight(date) })
    await record(root, { [DEC31]: [dayRow(DEC31)], [JAN2]: [dayRow(JAN2)] }, days)
    const events = { dataset: dividends, ticker: 'SPY' }
    const dividend = (date: string, amount: number) => ({
      ...{ ticker: 'SPY', ex_dividend_date: Date.parse(date) / 864e5 },
      ...{ cash_amount: amount, dividend_type: 'CD' },
    })
    await record(
      root,
      { [DEC30]: [dividend(DEC30, 2), dividend(DEC30, 1)], [JAN3]: [dividend(JAN3, 3)] },
      events,
    )
    const names = (await filesBelow(join(root, 'lake'))).map((name) => name.replace(/^.*\//, ''))
    expect(names.sort()).toEqual([
      'dividends-SPY-all.parquet',
      'equity_bars_1d-SPY-all.parquet',
      'equity_bars_1m-SPY-2024-12.parquet',
      'equity_bars_1m-SPY-2025-01.parquet',
      'equity_trades-SPY-2024-12-31.parquet',
      'equity_trades-SPY-2025-01-02.parquet',
    ])
  })

  test('of ticks are begun as the rows come, those of bars with the commit', async () => {
    const root = testRoot()
    await Promise.all(
      [BARS, TRADES].map((series) =>
        withWriter(root, series, async (writer) => {
          const sink = writer.openSink([JAN2, JAN3])
          await sink.write(batchFor(series, rowsFor(series, JAN2, 1)))
          const begun = await readdir(join(root, seriesFolder(series))).catch(() => [])
          expect(begun).toEqual(series === TRADES ? [`date=${JAN2}`] : [])
          await sink.abort()
        }),
      ),
    )
  })

  test('tell in the ledger where each stretch of their rows came from', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) }, BARS, 'run-1')
    await record(root, { [SESSIONS[4]]: barRows(SESSIONS[4], 1) }, BARS, 'run-2')
    await record(root, { [SESSIONS[4]]: barRows(SESSIONS[4], 2) }, BARS, 'run-3')
    await withWriter(root, BARS, async ({ ledger }) => {
      expect(ledger.segments[0]!.origins.map(({ run, from, to }) => [run, from, to])).toEqual([
        ['run-1', JAN2, JAN3],
        ['run-3', SESSIONS[4], SESSIONS[4]],
      ])
      expect(ledger.segments[0]!.origins[0]).toMatchObject({
        source: 'simulator',
        request: '/v2/aggs/test',
        requestId: 'req-1',
      })
    })
  })

  test('name every request that brought rows of a segment, with the sessions it brought', async () => {
    const root = testRoot()
    await withWriter(root, BARS, async (writer) => {
      const sink = writer.openSink([JAN2, JAN3, SESSIONS[4]])
      const page = async (requestId: string, dates: readonly string[]): Promise<void> => {
        for (const date of dates) {
          const origin = { source: 'simulator', request: '/v2/aggs/test', requestId }
          await sink.write({ ...batchFor(BARS, barRows(date, 1)), origin })
        }
      }
      await page('first', [JAN2, JAN3])
      await page('second', [JAN3, SESSIONS[4]])
      await sink.commit(settle([JAN2, JAN3, SESSIONS[4]]))
      expect(
        writer.ledger.segments.flatMap(({ origins }) =>
          origins.map(({ requestId, from, to }) => [requestId, from, to]),
        ),
      ).toEqual([
        ['first', JAN2, JAN3],
        ['second', JAN3, SESSIONS[4]],
      ])
    })
  })
})

describe('refused rows', () => {
  const verdict = (state: CellVerdict['state'], refused: CellVerdict['refused']): CellVerdict => ({
    ...{ state, reason: 'said by the run' },
    ...(refused ? { refused } : {}),
  })
  const settleOne = (root: string, one: CellVerdict) =>
    withWriter(root, BARS, (writer) => writer.settle(new Map([[JAN2, one]])))

  test('are counted in the cell and kept in quarantine until a clean answer', async () => {
    const root = testRoot()
    await settleOne(root, verdict('quarantined', refusals(JAN2, 3)))
    expect(await readQuarantine(root, BARS, JAN2)).toHaveLength(3)
    await withWriter(root, BARS, async (writer) => {
      expect(writer.ledger.cells[JAN2]).toMatchObject({ state: 'quarantined', quarantined: 3, rows: 0 })
      await commitRows(writer, { [JAN2]: barRows(JAN2, 1) })
      expect(writer.ledger.cells[JAN2]).not.toHaveProperty('quarantined')
    })
    expect(await readQuarantine(root, BARS, JAN2)).toEqual([])
  })

  test('beside rows that are held already are counted anew, though no file is rewritten', async () => {
    const root = testRoot()
    const again = (refused: CellVerdict['refused']) =>
      withWriter(root, BARS, async (writer) => {
        const sink = writer.openSink([JAN2])
        await sink.write(batchFor(BARS, barRows(JAN2, 1)))
        await sink.commit(new Map([[JAN2, verdict('complete', refused)]]))
        return writer.ledger.cells[JAN2]
      })
    expect(await again(refusals(JAN2, 2))).toMatchObject({ rows: 3, quarantined: 2 })
    expect(await again(refusals(JAN2, 1))).toMatchObject({ rows: 3, quarantined: 1 })
    expect(await readQuarantine(root, BARS, JAN2)).toHaveLength(1)
    expect(await again([])).not.toHaveProperty('quarantined')
    expect(await readQuarantine(root, BARS, JAN2)).toEqual([])
  })

  test('of held rows stay where the next answer is empty, and are replaced where it is all bad', async () => {
    const root = testRoot()
    await withWriter(root, BARS, async (writer) => {
      const sink = writer.openSink([JAN2])
      await sink.write(batchFor(BARS, barRows(JAN2, 1)))
      await sink.commit(new Map([[JAN2, verdict('complete', refusals(JAN2, 2))]]))
    })
    await settleOne(root, verdict('empty', []))
    expect(await readQuarantine(root, BARS, JAN2)).toHaveLength(2)
    await settleOne(root, verdict('quarantined', refusals(JAN2, 5)))
    expect(await readQuarantine(root, BARS, JAN2)).toHaveLength(5)
    await withWriter(root, BARS, async ({ ledger }) => {
      expect(ledger.cells[JAN2]).toMatchObject({ state: 'complete', rows: 3, quarantined: 5 })
    })
  })

  test('are not touched by a verdict that does not speak of them', async () => {
    const root = testRoot()
    await settleOne(root, verdict('quarantined', refusals(JAN2, 3)))
    await settleOne(root, verdict('failed', undefined))
    expect(await readQuarantine(root, BARS, JAN2)).toHaveLength(3)
  })
})

describe('damage in the lake', () => {
  const january = segmentPath(BARS, '2025-01')
  const december = segmentPath(BARS, '2024-12')

  async function damagedLake(damage: (path: string) => Promise<unknown>): Promise<string> {
    const root = testRoot()
    await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) })
    await damage(join(root, january))
    return root
  }
  const cases = [
    ['truncated', (path: string) => truncate(path, 500)],
    ['missing', (path: string) => rm(path)],
    ['not Parquet', (path: string) => writeFile(path, 'PAR1 no PAR1')],
    [
      'with the rows of another recording',
      async (path: string) => {
        const other = testRoot()
        await record(other, { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 9) })
        await writeFile(path, await readFile(join(other, january)))
      },
    ],
  ] as const

  test.each(cases)('%s: new sessions are not merged into it, and the way out is told', async (_, damage) => {
    const root = await damagedLake(damage)
    const before = await readFile(join(root, ledgerPath(BARS)), 'utf8')
    const refused = record(root, { [SESSIONS[4]]: barRows(SESSIONS[4], 1) })
    await expect(refused).rejects.toThrow(IntegrityError)
    await expect(refused).rejects.toThrow(january)
    await expect(refused).rejects.toMatchObject({
      hint: expect.stringMatching(/--force --from 2025-01-0\d/) as string,
    })
    expect(await readFile(join(root, ledgerPath(BARS)), 'utf8')).toBe(before)
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test.each(cases)(
    '%s: recording one of its sessions anew makes holes of what is lost',
    async (_, damage) => {
      const root = await damagedLake(damage)
      await record(root, { [JAN2]: barRows(JAN2, 1, 5) }, BARS, 'mend')
      await withWriter(root, BARS, async (writer) => {
        expect(writer.ledger.cells[JAN2]).toMatchObject({ state: 'complete', rows: 5 })
        expect(writer.ledger.cells[JAN3]).toMatchObject({ state: 'missing', rows: 0 })
        expect(writer.ledger.cells[JAN3]!.reason).toContain('damaged')
        expect(writer.ledger.cells[DEC31]).toMatchObject({ state: 'complete', rows: 3 })
      })
      expect(await visibleRows(root, BARS)).toEqual([...barRows(DEC31, 1), ...barRows(JAN2, 1, 5)])
      await record(root, { [JAN3]: barRows(JAN3, 1) })
      expect(await visibleRows(root, BARS)).toHaveLength(11)
    },
  )

  test('does not matter where all sessions of the segment are recorded anew, nor for other months', async () => {
    const root = await damagedLake((path) => rm(path))
    await record(root, { [JAN2]: barRows(JAN2, 2), [JAN3]: barRows(JAN3, 2) })
    await record(root, { [DEC30]: barRows(DEC30, 2) })
    expect(await visibleRows(root, BARS)).toHaveLength(12)
    expect((await stat(join(root, december))).isFile()).toBe(true)
  })
})

test('a closed writer leaves the series to the next one, which finds what was committed', async () => {
  const root = testRoot()
  const first = await openWriter(root)
  await commitRows(first, { [JAN2]: barRows(JAN2, 1) })
  await first.close()
  const second = await openWriter(root)
  expect(second.ledger.cells[JAN2]).toMatchObject({ state: 'complete', reason: COMPLETE.reason, rows: 3 })
  await second.close()
})
