import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openLake, type FilesFilter } from '../../src/lake/index.ts'
import { emptyLedger, formatLedger, type Segment } from '../../src/lake/ledger.ts'
import { ledgerPath, segmentPath, type SeriesId } from '../../src/lake/layout.ts'
import { equityBars1m } from '../../src/market/datasets/equity-bars.ts'

const root = mkdtempSync(join(tmpdir(), 'tapelake-files-'))
afterAll(() => rmSync(root, { recursive: true }))

const series: SeriesId = { dataset: equityBars1m, ticker: 'SPY' }
const DAYS = { '2024-05': ['2024-05-01', '2024-05-31'], '2024-06': ['2024-06-03', '2024-06-28'] } as const

function segment(partition: keyof typeof DAYS): Segment {
  const [first, last] = DAYS[partition]
  return {
    ...{ path: segmentPath(series, partition), partition, first, last, rows: 1, bytes: 1, origins: [] },
    ...{ sha256: '', digest: '', engine: 'duckdb', run: 'test', writtenAt: '2024-07-01T00:00:00Z' },
  }
}

const path = join(root, ledgerPath(series))
mkdirSync(dirname(path), { recursive: true })
const segments = [segment('2024-05'), segment('2024-06')]
writeFileSync(path, formatLedger({ ...emptyLedger(series), segments }))

describe('the files of the lake', () => {
  const months = async (filter: FilesFilter): Promise<string[]> => {
    const lake = await openLake(root)
    const found = (await lake.files(filter)).flatMap(({ files }) => files)
    await lake.close()
    return found.map((file) => /month=([\d-]+)/.exec(file)![1]!)
  }

  it('are all live ones when no days are named', async () => {
    expect(await months({})).toEqual(['2024-05', '2024-06'])
  })

  it.each([
    [{ from: '2024-06-03', to: '2024-06-03' }, ['2024-06']],
    [{ from: '2024-05-31', to: '2024-06-03' }, ['2024-05', '2024-06']],
    [{ to: '2024-05-01' }, ['2024-05']],
    [{ from: '2024-06-28' }, ['2024-06']],
    [{ from: '2024-06-01', to: '2024-06-02' }, []],
    [{ from: '2024-07-01' }, []],
    [{ tickers: ['QQQ'], from: '2024-06-03' }, []],
  ])('are those that can hold rows of %j', async (filter, expected) => {
    expect(await months(filter)).toEqual(expected)
  })
})
