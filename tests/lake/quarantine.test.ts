import { join } from 'node:path'
import { appendFile, readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { rowAt } from '../../src/core/batch.ts'
import { batchOfQuarantined } from '../../src/lake/quarantine-batch.ts'
import {
  quarantinedRows,
  quarantinedSessions,
  readQuarantine,
  writeQuarantine,
} from '../../src/lake/quarantine.ts'
import {
  batchFor,
  batchOfTrades,
  filesBelow,
  testRoot,
  BARS,
  barRows,
  tradeRows,
  TRADES,
} from '../support/lake.ts'

const bad = (count: number) =>
  quarantinedRows(
    batchFor(BARS, barRows('2025-01-03', 470, count)),
    Array.from({ length: count }, (_, row) => ({ row, rule: 'high_below_low', reason: `row ${row}` })),
    'run-1',
  )

describe('quarantine', () => {
  test('keeps each refused row with its values, rule, reason, request and run', async () => {
    const root = testRoot()
    await writeQuarantine(root, BARS, '2025-01-03', bad(2))
    const [, second] = await readQuarantine(root, BARS, '2025-01-03')
    expect(second).toEqual({
      ...{ rule: 'high_below_low', reason: 'row 1', run: 'run-1' },
      ...{ source: 'simulator', request: '/v2/aggs/test', requestId: 'req-1' },
      row: barRows('2025-01-03', 470, 2)[1],
      at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    })
  })

  test('is one JSON document a line, so that any tool reads it', async () => {
    const root = testRoot()
    await writeQuarantine(root, BARS, '2025-01-03', bad(3))
    const text = await readFile(join(root, 'quarantine/equity_bars_1m/ticker=SPY/2025-01-03.jsonl'), 'utf8')
    const lines = text.trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { reason: string }).reason)).toEqual([
      'row 0',
      'row 1',
      'row 2',
    ])
  })

  test('is replaced as a whole by the next answer, and removed when that is clean', async () => {
    const root = testRoot()
    await writeQuarantine(root, BARS, '2025-01-03', bad(3))
    await writeQuarantine(root, BARS, '2025-01-02', bad(1))
    await writeQuarantine(root, BARS, '2025-01-03', bad(1))
    expect(await readQuarantine(root, BARS, '2025-01-03')).toHaveLength(1)
    expect(await quarantinedSessions(root, BARS)).toEqual(['2025-01-02', '2025-01-03'])
    await writeQuarantine(root, BARS, '2025-01-03', [])
    await writeQuarantine(root, BARS, '2025-01-06', [])
    expect(await quarantinedSessions(root, BARS)).toEqual(['2025-01-02'])
    expect(await readQuarantine(root, BARS, '2025-01-03')).toEqual([])
    expect(await filesBelow(root)).toHaveLength(1)
  })

  test('of a series without any is empty', async () => {
    const root = testRoot()
    expect(await quarantinedSessions(root, TRADES)).toEqual([])
    expect(await readQuarantine(root, TRADES, '2025-01-03')).toEqual([])
  })

  test('keeps nanoseconds exact, infinities legible and missing values null', async () => {
    const root = testRoot()
    const batch = batchOfTrades([{ price: Infinity, sip_timestamp_ns: 1_735_828_200_123_456_789n, id: null }])
    const rows = quarantinedRows(batch, [{ row: 0, rule: 'price', reason: 'infinite' }], 'r')
    await writeQuarantine(root, TRADES, '2025-01-02', rows)
    const [row] = await readQuarantine(root, TRADES, '2025-01-02')
    expect(row).toMatchObject({
      row: { price: 'Infinity', sip_timestamp_ns: '1735828200123456789', id: null, conditions: null },
      source: null,
      request: null,
      requestId: null,
    })
  })

  test('gives back rows that are what they were, to the nanosecond', async () => {
    const root = testRoot()
    const rows = tradeRows('2025-01-03', 470, 3)
    const refusals = rows.map((_, row) => ({ row, rule: 'late', reason: 'late' }))
    await writeQuarantine(
      root,
      TRADES,
      '2025-01-03',
      quarantinedRows(batchFor(TRADES, rows), refusals, 'run-1'),
    )
    const batch = batchOfQuarantined(TRADES.dataset, await readQuarantine(root, TRADES, '2025-01-03'))
    expect(rows.map((_, row) => rowAt(batch, row))).toEqual(rows)
    expect(batch.origin).toEqual({ source: 'simulator', request: '/v2/aggs/test', requestId: 'req-1' })
  })

  test('says which line of it is damaged', async () => {
    const root = testRoot()
    await writeQuarantine(root, BARS, '2025-01-03', bad(1))
    await appendFile(join(root, 'quarantine/equity_bars_1m/ticker=SPY/2025-01-03.jsonl'), '{"rule":')
    await expect(readQuarantine(root, BARS, '2025-01-03')).rejects.toThrow(
      '2025-01-03.jsonl:2 is not whole JSON',
    )
  })
})
