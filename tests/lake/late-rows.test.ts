import { afterAll, describe, expect, test } from 'vitest'
import { mergeLate, type LateReceipt } from '../../src/lake/late-rows.ts'
import { readQuarantine } from '../../src/lake/quarantine.ts'
import type { Row } from './engines/samples.ts'
import {
  BARS,
  barRows,
  batchFor,
  EMPTY,
  engine,
  record,
  SESSIONS,
  settle,
  testRoot,
  visibleRows,
  withWriter,
} from '../support/lake.ts'

const [, , JAN2, JAN3] = SESSIONS
const END = Date.parse('2025-01-03T01:00:00Z') // of the extended hours of 2025-01-02
const DAY = 86_400_000
afterAll(() => engine.close())

const late = (root: string, rows: readonly Row[], nowMs: number, date: string = JAN2): Promise<LateReceipt> =>
  withWriter(root, BARS, (writer) => mergeLate(writer, date, batchFor(BARS, rows), { lateDays: 5, nowMs }))

describe('rows that arrive after their session was complete', () => {
  test('are merged within the window; what the lake has of them stands', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1), [JAN3]: barRows(JAN3, 1) })
    const receipt = await late(root, barRows(JAN2, 7, 5), END + 5 * DAY)
    expect(receipt).toMatchObject({
      merged: 2,
      quarantined: 0,
      restated: [{ added: 2, removed: 0, changed: 0 }],
    })
    expect(await visibleRows(root, BARS)).toEqual([
      ...barRows(JAN2, 1),
      ...barRows(JAN2, 7, 5).slice(3),
      ...barRows(JAN3, 1),
    ])
    expect(await late(root, barRows(JAN2, 7, 5), END + 5 * DAY)).toMatchObject({ merged: 0, restated: [] })
  })

  test('go to quarantine beyond it, each once, beside what is there already', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    expect(await late(root, barRows(JAN2, 7, 4), END + 5.1 * DAY)).toMatchObject({
      merged: 0,
      quarantined: 1,
    })
    expect(await late(root, barRows(JAN2, 7, 4), END + 5.1 * DAY)).toMatchObject({ quarantined: 0 })
    expect(await late(root, barRows(JAN2, 7, 5), END + 5.1 * DAY)).toMatchObject({ quarantined: 1 })
    expect((await readQuarantine(root, BARS, JAN2)).map(({ rule }) => rule)).toEqual(['late', 'late'])
    expect(await visibleRows(root, BARS)).toEqual(barRows(JAN2, 1))
  })

  test('of a session that was said to be empty make it complete', async () => {
    const root = testRoot()
    await withWriter(root, BARS, (writer) => writer.settle(settle([JAN2], EMPTY)))
    expect(await late(root, barRows(JAN2, 1), END + DAY)).toMatchObject({ merged: 3, restated: [] })
    await withWriter(root, BARS, async ({ ledger }) => {
      expect(ledger.cells[JAN2]).toMatchObject({ state: 'complete', rows: 3 })
    })
    expect(await late(root, barRows(JAN3, 1), END + DAY, JAN3)).toMatchObject({ merged: 0, quarantined: 0 })
  })
})
