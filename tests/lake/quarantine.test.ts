import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import {
  quarantinedRows,
  quarantinedSessions,
  readQuarantine,
  writeQuarantine,
} from '../../src/lake/quarantine.ts'
import { batchFor, batchOfTrades, filesBelow, testRoot, BARS, barRows, TRADES } from '../support/lake.ts'

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
})
