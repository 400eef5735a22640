import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import type { EngineName } from '../../../src/lake/engine.ts'
import { createEngine } from '../../../src/lake/engines/index.ts'
import {
  openReader,
  writeResult,
  type LakeReader,
  type ResultFormat,
} from '../../../src/lake/reader/index.ts'
import type { DatasetDefinition } from '../../../src/market/dataset.ts'
import { datasetNamed } from '../../../src/market/datasets/index.ts'
import { batchOf, type Row } from '../engines/samples.ts'

/** 14:30 UTC, a session's open in winter. */
export const OPEN_US = Date.UTC(2025, 0, 3, 14, 30) * 1000
const MINUTE_US = 60_000_000

export const bars = datasetNamed('equity_bars_1m')
export const trades = datasetNamed('equity_trades')
export const splits = datasetNamed('splits')
export const dividends = datasetNamed('dividends')

/** Synthetic minute bars; every third has no vwap, every fifth no count. */
export const barRows = (ticker: string, fromUs: number, count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    ticker,
    timestamp: fromUs + i * MINUTE_US,
    open: 100.1 + i,
    high: 101.25 + i,
    low: 99.5 + i,
    close: 100.2 + i,
    volume: 1000.5 + i,
    vwap: i % 3 === 0 ? null : 0.1 + 0.2,
    trade_count: i % 5 === 0 ? null : i,
  }))

export const tradeRows: Row[] = [0n, 1n].map((i) => ({
  ticker: 'SPY',
  timestamp: OPEN_US + 123_456,
  sip_timestamp_ns: 1_735_914_600_123_456_789n + i,
  participant_timestamp_ns: i === 0n ? null : 9_223_372_036_854_775_807n,
  sequence_number: 2 ** 53 - 1,
  price: 1e21,
  size: 5e-324,
  exchange: 4,
  conditions: i === 0n ? [12, 37] : null,
  id: i === 0n ? 'a,"b"\nc' : 'größe 🚀',
}))

export interface SmallLake {
  readonly folder: string
  readonly reader: LakeReader
  readonly files: { readonly bars: readonly string[]; readonly trades: readonly string[] }
  /** The whole answer to `sql` in `format`, as bytes. */
  answer(sql: string, format: ResultFormat, maxRows?: number): Promise<Buffer>
  close(): Promise<void>
}

/** A real lake on disk: SPY over two months (one file by each engine), QQQ, an index, two trades, no corporate action. */
export async function smallLake(): Promise<SmallLake> {
  const folder = await mkdtemp(join(tmpdir(), 'tapelake-reader-'))
  const february = Date.UTC(2025, 1, 3, 14, 30) * 1000
  const files = {
    bars: [
      await writeFile(folder, bars, 'ticker=QQQ/month=2025-01', barRows('QQQ', OPEN_US, 100)),
      await writeFile(folder, bars, 'ticker=I%3AVIX/month=2025-01', barRows('I:VIX', OPEN_US, 10)),
      await writeFile(folder, bars, 'ticker=SPY/month=2025-01', barRows('SPY', OPEN_US, 390)),
      await writeFile(
        folder,
        bars,
        'ticker=SPY/month=2025-02',
        barRows('SPY', february, 390),
        'parquetjs-lite',
      ),
    ],
    trades: [await writeFile(folder, trades, 'ticker=SPY/date=2025-01-03', tradeRows)],
  }
  const views = [
    { dataset: bars, files: files.bars },
    { dataset: trades, files: files.trades },
    { dataset: splits, files: [] },
    { dataset: dividends, files: [] },
  ]
  const reader = await openReader({ views, tempDirectory: join(folder, 'temp'), memoryLimitMb: 256 })
  return {
    folder,
    reader,
    files,
    answer: async (sql, format, maxRows) => {
      const out = new Collector()
      await writeResult(await reader.query(sql), format, out, maxRows === undefined ? {} : { maxRows })
      return Buffer.concat(out.pieces)
    },
    close: async () => {
      await reader.close()
      await rm(folder, { recursive: true })
    },
  }
}

export async function writeFile(
  folder: string,
  dataset: DatasetDefinition,
  partition: string,
  rows: readonly Row[],
  name: EngineName = 'duckdb',
): Promise<string> {
  const engine = createEngine(name, { tempDirectory: join(folder, 'temp') })
  const path = join(folder, 'lake', dataset.name, partition, 'rows.parquet')
  await mkdir(dirname(path), { recursive: true })
  const writer = await engine.openSegment({
    dataset,
    path,
    compression: 'snappy',
    rowGroupRows: 122_880,
    metadata: {},
  })
  await writer.append(batchOf(dataset, rows))
  await writer.finish()
  await engine.close()
  return path
}

/** Keeps what is written to it. */
export class Collector extends Writable {
  readonly pieces: Buffer[] = []

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.pieces.push(piece)
    done()
  }
}
