import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Cell } from '../../src/lake/ledger.ts'
import { emptyLedger } from '../../src/lake/ledger.ts'
import { dueForRecheck, noteRechecked, readRechecks } from '../../src/pipeline/recheck.ts'
import { BARS, filesBelow, SESSIONS, testRoot } from '../support/lake.ts'

const [DEC30, DEC31, JAN2, JAN3, JAN6] = SESSIONS
/** The evening of a session, long after its last minute: it is whole at the vendor. */
const night = (date: string) => Date.parse(`${date}T23:00:00Z`) + 4 * 3_600_000
const cell = (date: string, state: Cell['state'] = 'complete'): Cell => ({
  ...{ state, reason: 'test', rows: 1, run: 'run-1', at: new Date(night(date)).toISOString() },
})

function due(cells: Record<string, Cell>, nowMs: number, count = 2, checkedAt: Record<string, string> = {}) {
  return [...dueForRecheck(BARS, { ...emptyLedger(BARS), cells }, { checkedAt }, count, nowMs)]
}

describe('re-checks', () => {
  test('come due after each of the sessions that follow, and once each', () => {
    const cells = { [DEC30]: cell(DEC30) }
    expect(due(cells, night(DEC30))).toEqual([])
    expect(due(cells, Date.parse(`${DEC31}T20:00:00Z`))).toEqual([]) // the next session is not over
    expect(due(cells, night(DEC31))).toEqual([DEC30])
    const once = { [DEC30]: new Date(night(DEC31)).toISOString() }
    expect(due(cells, night(DEC31) + 3_600_000, 2, once)).toEqual([])
    expect(due(cells, night(JAN2), 2, once)).toEqual([DEC30])
    const twice = { [DEC30]: new Date(night(JAN2)).toISOString() }
    expect(due(cells, night(JAN3), 2, twice)).toEqual([])
    expect(due(cells, night(JAN3), 3, twice)).toEqual([DEC30])
  })

  test('are missed by nobody who comes late, and asked of nothing recorded long after', () => {
    const cells = { [DEC30]: cell(DEC30), [DEC31]: cell(JAN6), [JAN2]: cell(JAN2, 'not_entitled') }
    expect(due(cells, night(JAN6))).toEqual([DEC30, JAN2])
  })

  test('leave alone what is asked for anyway, and can be switched off', () => {
    const cells = { [DEC30]: cell(DEC30, 'failed'), [DEC31]: cell(DEC31, 'pending') }
    expect(due(cells, night(JAN6))).toEqual([])
    expect(due({ [DEC30]: cell(DEC30) }, night(JAN6), 0)).toEqual([])
    expect(due({}, night(JAN6))).toEqual([])
  })

  test('by a clock that was set back come due by that clock', () => {
    expect(due({ [DEC30]: { ...cell(DEC30), at: '2099-01-01T00:00:00.000Z' } }, night(DEC31))).toEqual([
      DEC30,
    ])
  })

  test('are remembered beside the lake; a damaged memory is none', async () => {
    const root = testRoot()
    await noteRechecked(root, BARS, [], 0)
    expect(await filesBelow(root)).toEqual([])
    await noteRechecked(root, BARS, [DEC30], 1000)
    await noteRechecked(root, BARS, [DEC31], 2000)
    const checkedAt = { [DEC30]: '1970-01-01T00:00:01.000Z', [DEC31]: '1970-01-01T00:00:02.000Z' }
    expect(await readRechecks(root, BARS)).toMatchObject({ checkedAt })
    const path = join(root, 'state/rechecks/equity_bars_1m/SPY.json')
    await writeFile(path, (await readFile(path)).subarray(0, 40))
    expect(await readRechecks(root, BARS)).toEqual({ checkedAt: {} })
  })
})
