import { afterAll, describe, expect, test } from 'vitest'
import type { Row } from '../lake/engines/samples.ts'
import { vendor, vendorEnv } from '../end-to-end/world.ts'
import { calm, cutRows } from '../pipeline/gap-lake.ts'
import { runCliJson, runHere } from '../support/cli.ts'
import { barRows, engine, record, SESSIONS, testRoot } from '../support/lake.ts'

const [, DEC31, JAN2, JAN3] = SESSIONS
afterAll(() => engine.close())

const change = (rows: readonly Row[], at: number, values: Row): Row[] =>
  rows.map((row, i) => (i === at ? { ...row, ...values } : row))

/** Two lakes: three sessions here, of which the other one has two, with `values` in the second row of the last. */
async function lakes(values: Row, count = 3) {
  const [here, there] = [testRoot(), testRoot()]
  await record(here, { [DEC31]: barRows(DEC31, 100), [JAN2]: barRows(JAN2, 100), [JAN3]: barRows(JAN3, 100) })
  await record(there, { [DEC31]: barRows(DEC31, 100), [JAN3]: change(barRows(JAN3, 100, count), 1, values) })
  const args = ['reconcile', '--data-dir', here, '--against', there]
  return (...more: string[]) => runCliJson([...args, ...more], { here: true })
}
const columnOf = ({ document }: { document: Record<string, unknown> }, name: string) =>
  (document['series'] as { columns: { column: string }[] }[])[0]!.columns.find(
    ({ column }) => column === name,
  )

describe('reconcile', () => {
  test('takes prices within half a percent for agreed, over the sessions that both hold', async () => {
    const compare = await lakes({ close: 100.4, vwap: 99 }) // this vwap is missing here
    const found = await compare()
    expect(found).toMatchObject({
      code: 0,
      document: { agreed: true, series: [{ sessions: 2, from: DEC31, to: JAN3 }] },
    })
    expect(columnOf(found, 'close')).toMatchObject({ tolerance: 0.005, compared: 6, differing: 1, beyond: 0 })
    expect(columnOf(found, 'vwap')).toMatchObject({ compared: 4, missing: 1, beyond: 0 })
    const strict = await compare('--tolerance', 'prices=0.1')
    expect(strict).toMatchObject({ code: 3, document: { agreed: false } })
    expect(columnOf(strict, 'close')).toMatchObject({ tolerance: 0.001, beyond: 1 })
    const [series] = strict.document['series'] as { samples: object[] }[]
    expect(series!.samples).toMatchObject([
      { columns: ['close'], left: { close: 100.01 }, right: { close: 100.4 } },
    ])
  })

  test('takes nothing else, unless told to, and rows that one side lacks for a difference', async () => {
    const compare = await lakes({ volume: 102 })
    expect(await compare()).toMatchObject({ code: 3 })
    expect(await compare('--tolerance', 'volume=1')).toMatchObject({ code: 0 })
    expect(await compare('--to', '2024-12-31')).toMatchObject({
      code: 0,
      document: { series: [{ sessions: 1 }] },
    })
    const more = await (await lakes({}, 4))()
    expect(more).toMatchObject({
      code: 3,
      document: { series: [{ rows: { both: 6, onlyLeft: 0, onlyRight: 1 } }] },
    })
  })

  test('says so where nothing can be compared, and what a tolerance may name', async () => {
    const root = testRoot()
    await record(root, { [JAN2]: barRows(JAN2, 1) })
    const args = ['reconcile', '--data-dir', root, '--against']
    expect((await runHere([...args, testRoot()])).stderr).toContain('nothing is held that')
    const unknown = await runHere([...args, root, '--tolerance', 'sise=1'])
    expect(unknown.stderr).toContain('no dataset that is held has such a column')
    expect((await runHere([...args, root, '--tolerance', 'close'])).stderr).toContain('like close=0.1')
    const { code, stdout } = await runHere([...args, root])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^SPY equity_bars_1m 2025-01-02 to 2025-01-02: 3 rows in both, .*; agreed\ncolumn/)
  })
})

describe('reconcile with a source', () => {
  test('asks again for the sessions held, and compares what it says now', async () => {
    let factor = 1
    const server = await vendor({
      bars: (date) => calm(date).map((bar) => ({ ...bar, vw: 100 * factor })),
    })
    const env = vendorEnv(server.url)
    const at = ['--data-dir', testRoot()]
    await runHere(['backfill', '--ticker', 'SPY', '--from', '2025-06-02', '--to', '2025-06-04', ...at], {
      env,
    })
    const compare = (...more: string[]) =>
      runCliJson(['reconcile', '--against', 'polygon', ...more, ...at], { env, here: true })
    const same = await compare()
    expect(same).toMatchObject({
      code: 0,
      document: { agreed: true, series: [{ sessions: 3, rows: { both: 1170, onlyLeft: 0, onlyRight: 0 } }] },
    })
    factor = 1.001
    expect(columnOf(await compare('--from', '2025-06-04'), 'vwap')).toMatchObject({
      compared: 390,
      differing: 390,
      beyond: 0,
    })
    expect(await compare('--tolerance', 'prices=0.05')).toMatchObject({ code: 3 })
    await cutRows(at[1]!, `timestamp BETWEEN '2025-06-03 14:00:00Z' AND '2025-06-03 14:09:00Z'`)
    expect(await compare('--to', '2025-06-03')).toMatchObject({
      code: 3,
      document: { series: [{ rows: { both: 770, onlyLeft: 0, onlyRight: 10 } }] },
    })
    await server.close()
  })

  test('compares contracts of options, too, with a source and with a lake', async () => {
    const at = ['--data-dir', testRoot()]
    const env = { TAPELAKE_NOW: '2025-06-06T21:30:00Z' }
    const options = ['--underlying', 'SPY', '--source', 'simulator', ...at]
    await runHere(['discover', '--date', '2025-06-05', '--strike-range', '0.003', ...options], { env })
    await runHere(['backfill', '--dataset', 'option_bars_1m', ...options], { env })
    for (const against of ['simulator', at[1]!]) {
      const args = ['reconcile', '--against', against, '--dataset', 'option_bars_1m', ...at]
      const { code, document } = await runCliJson(args, { env, here: true })
      expect(code).toBe(0)
      const [series] = document['series'] as { rows: { both: number } }[]
      expect(series).toMatchObject({ agreed: true, sessions: 1, rows: { onlyLeft: 0, onlyRight: 0 } })
      expect(series!.rows.both).toBeGreaterThan(500)
    }
  })
})
