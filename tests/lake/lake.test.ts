import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { LakeMismatchError } from '../../src/core/errors.ts'
import { openLake } from '../../src/lake/index.ts'
import { ledgerPath, segmentPath } from '../../src/lake/layout.ts'
import { claimProvenance } from '../../src/lake/stamp.ts'
import { BARS, barRows, engine, record, SESSIONS, testRoot, TRADES, tradeRows } from '../support/lake.ts'

const [, DEC31, JAN2] = SESSIONS
const VIX = { ...BARS, ticker: 'I:VIX' }
afterAll(() => engine.close())

async function opened(root: string) {
  const lake = await openLake(root)
  onTestFinished(() => lake.close())
  return lake
}

async function recorded(): Promise<string> {
  const root = testRoot()
  await record(root, { [DEC31]: barRows(DEC31, 1), [JAN2]: barRows(JAN2, 1) })
  await record(root, { [JAN2]: barRows(JAN2, 1).map((row) => ({ ...row, ticker: 'I:VIX' })) }, VIX)
  await record(root, { [JAN2]: tradeRows(JAN2, 1) }, TRADES)
  return root
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = []
  for await (const item of items) out.push(item)
  return out
}

describe('openLake', () => {
  test('lists every series by dataset and ticker, and those that a filter means', async () => {
    const lake = await opened(await recorded())
    const names = async (filter?: Parameters<typeof lake.series>[0]) =>
      (await lake.series(filter)).map(({ dataset, ticker }) => `${dataset.name} ${ticker}`)
    expect(await names()).toEqual(['equity_bars_1m I:VIX', 'equity_bars_1m SPY', 'equity_trades SPY'])
    expect(await names({ tickers: ['SPY'] })).toEqual(['equity_bars_1m SPY', 'equity_trades SPY'])
    expect(await names({ datasets: ['equity_trades'], tickers: ['I:VIX'] })).toEqual([])
  })

  test('gives the live files of each dataset, from the ledgers', async () => {
    const root = await recorded()
    const lake = await opened(root)
    const files = Object.fromEntries(
      (await lake.files({ tickers: ['SPY'] })).map(({ dataset, files: live }) => [dataset.name, live]),
    )
    expect(files.equity_bars_1m).toEqual([
      join(root, segmentPath(BARS, '2024-12')),
      join(root, segmentPath(BARS, '2025-01')),
    ])
    expect(files.equity_trades).toEqual([join(root, segmentPath(TRADES, JAN2))])
    expect(files.splits).toEqual([])
  })

  test('tells what is held and verifies it', async () => {
    const lake = await opened(await recorded())
    expect(await all(lake.status())).toMatchObject([
      { ticker: 'I:VIX', rows: 3, first: JAN2 },
      { ticker: 'SPY', rows: 6, first: DEC31, last: JAN2 },
      { dataset: 'equity_trades', rows: 3 },
    ])
    expect((await all(lake.verify())).flatMap(({ findings }) => findings)).toEqual([])
  })

  test('finds a series whose ledger is lost, and one that has a ledger only', async () => {
    const root = await recorded()
    await rm(join(root, ledgerPath(VIX)))
    await rm(join(root, 'lake', 'equity_trades'), { recursive: true })
    const lake = await opened(root)
    expect(await lake.series()).toHaveLength(3)
    expect((await lake.view(VIX)).rebuilt).toBe(true)
  })

  test('is not misled by names that are not its own', async () => {
    const root = await recorded()
    for (const name of ['ticker=%zz', 'ticker=a%2fb', 'note', 'ticker=']) {
      await mkdir(join(root, 'lake', 'equity_bars_1m', name))
    }
    await writeFile(join(root, 'ledger', 'equity_bars_1m', 'SPY.json.damaged-20250101'), 'x')
    await writeFile(join(root, 'ledger', 'equity_bars_1m', 'SPY.next.tmp'), 'x')
    expect((await (await opened(root)).series()).map(({ ticker }) => ticker)).toEqual(['I:VIX', 'SPY', 'SPY'])
  })

  test('of a folder that does not exist is an empty lake, and makes nothing', async () => {
    const root = join(testRoot(), 'nowhere')
    const lake = await opened(root)
    expect([await lake.series(), lake.stamp, await all(lake.status())]).toEqual([[], undefined, []])
  })

  test('says whether the rows are real, and refuses the lake of a newer tapelake', async () => {
    const root = testRoot()
    await claimProvenance(root, 'synthetic')
    expect((await opened(root)).stamp).toMatchObject({ provenance: 'synthetic' })
    const schema = { name: 'tapelake.lake', version: 99 }
    await writeFile(join(root, 'lake.json'), JSON.stringify({ schema, provenance: 'real', createdAt: '' }))
    await expect(openLake(root)).rejects.toThrow(LakeMismatchError)
  })
})
