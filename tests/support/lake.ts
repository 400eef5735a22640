import { mkdtempSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { onTestFinished } from 'vitest'
import type { Batch, Origin } from '../../src/core/batch.ts'
import { createEngine } from '../../src/lake/engines/index.ts'
import type { SeriesId } from '../../src/lake/layout.ts'
import type { CellVerdict, Settlement } from '../../src/lake/series-contract.ts'
import { SeriesWriter, type SeriesWriterOptions } from '../../src/lake/series-writer.ts'
import { equityBars1m } from '../../src/market/datasets/equity-bars.ts'
import { equityTrades } from '../../src/market/datasets/equity-ticks.ts'
import { batchOf, type Row } from '../lake/engines/samples.ts'

/** Minute bars of SPY: one segment a month. */
export const BARS: SeriesId = { dataset: equityBars1m, ticker: 'SPY' }
/** Trades of SPY: one segment a session. */
export const TRADES: SeriesId = { dataset: equityTrades, ticker: 'SPY' }

/** Sessions of two months, written down from the exchange's own list; all in winter, so 09:30 is 14:30 UTC. */
export const SESSIONS = ['2024-12-30', '2024-12-31', '2025-01-02', '2025-01-03', '2025-01-06'] as const

export const ORIGIN: Origin = { source: 'simulator', request: '/v2/aggs/test', requestId: 'req-1' }

const NEVER = new AbortController().signal
const minuteUs = (date: string, minute: number): number =>
  Date.parse(`${date}T14:30:00Z`) * 1000 + minute * 6e7

/** `count` bars of one session; `value` tells one recording of it from another. */
export function barRows(date: string, value: number, count = 3): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    ticker: 'SPY',
    timestamp: minuteUs(date, i),
    open: value,
    high: value + 1.25,
    low: value - 0.5,
    close: value + i / 100,
    volume: 100.5 + i,
    vwap: i % 2 === 1 ? null : value + 0.125,
    trade_count: i % 3 === 2 ? null : 10 + i,
  }))
}

/** `count` trades of one session, nanoseconds apart. */
export function tradeRows(date: string, value: number, count = 3): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const us = minuteUs(date, i)
    return {
      ticker: 'SPY',
      timestamp: us,
      sip_timestamp_ns: BigInt(us) * 1000n + BigInt(i),
      participant_timestamp_ns: i % 2 === 1 ? null : BigInt(us) * 1000n - 17n,
      trf_timestamp_ns: null,
      sequence_number: 1000 + i,
      price: value + i / 100,
      size: 1 + i,
      exchange: 4,
      conditions: i % 2 === 1 ? null : [12, 37],
      id: `t-${i}`,
      tape: 1,
      trf_id: null,
      correction: null,
    }
  })
}

/** Rows of one session of `series`. */
export const rowsFor = ({ dataset }: SeriesId, date: string, value: number, count?: number): Row[] =>
  dataset === equityTrades ? tradeRows(date, value, count) : barRows(date, value, count)

export const batchFor = ({ dataset }: SeriesId, rows: readonly Row[]): Batch => ({
  ...batchOf(dataset, rows),
  origin: ORIGIN,
})

/** Trades without an origin; what a row leaves out is null. */
export const batchOfTrades = (rows: readonly Row[]): Batch => batchOf(equityTrades, rows)

/** A folder of its own for the test that runs, removed after it. */
export function testRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'tapelake-lake-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  return root
}

/** The engine under the lake in these tests; opened once. */
export const engine = createEngine('columnar', {
  tempDirectory: join(tmpdir(), 'tapelake-scratch'), // nothing here is large enough to spill
  threads: 1,
})
export const engineOnce = () => Promise.resolve(engine)

/** A writer of `series`, closed by the caller. */
export function openWriter(
  root: string,
  series: SeriesId = BARS,
  options: Partial<SeriesWriterOptions> = {},
): Promise<SeriesWriter> {
  const defaults: SeriesWriterOptions = {
    ...{ root, series, engine, compression: 'zstd', rowGroupRows: 122_880 },
    ...{ runId: 'run-1', provenance: () => 'synthetic', waitMs: 0, purpose: 'test' },
  }
  return SeriesWriter.open({ ...defaults, ...options }, NEVER)
}

/** Opens a writer for `work` and closes it whatever happens. */
export async function withWriter<T>(
  root: string,
  series: SeriesId,
  work: (writer: SeriesWriter) => Promise<T>,
  options: Partial<SeriesWriterOptions> = {},
): Promise<T> {
  const writer = await openWriter(root, series, options)
  try {
    return await work(writer)
  } finally {
    await writer.close()
  }
}

export const COMPLETE: CellVerdict = { state: 'complete', reason: 'recorded from simulator', refused: [] }
export const EMPTY: CellVerdict = { state: 'empty', reason: 'no trades', refused: [] }

export const settle = (dates: readonly string[], verdict: CellVerdict = COMPLETE): Settlement =>
  new Map(dates.map((date) => [date, verdict]))

/** Rows by session. */
export type Recording = Readonly<Record<string, readonly Row[]>>

/** Commits `recording` through one sink, the newest session first, as nothing forbids. */
export async function commitRows(writer: SeriesWriter, recording: Recording) {
  const dates = Object.keys(recording)
  const sink = writer.openSink(dates)
  for (const date of dates.toReversed()) {
    await sink.write(batchFor(writer.options.series, recording[date]!))
  }
  return await sink.commit(settle(dates))
}

/** Records `recording` with a writer of its own. */
export const record = (root: string, recording: Recording, series = BARS, runId = 'run-1') =>
  withWriter(root, series, (writer) => commitRows(writer, recording), { runId })

let outside: Promise<DuckDBInstance> | undefined

/** What a stranger's DuckDB says; it knows nothing of ledgers and never trusts its own cache. */
export async function askDuckDb(sql: string): Promise<Row[]> {
  outside ??= DuckDBInstance.create(':memory:', { enable_external_file_cache: 'false', threads: '1' })
  const connection = await (await outside).connect()
  try {
    await connection.run(`SET TimeZone = 'UTC'`)
    return (await connection.runAndReadAll(sql)).getRowObjectsJS()
  } finally {
    connection.closeSync()
  }
}

/** All rows that a glob over the lake sees of a series, in order, in the values that batches have. */
export async function visibleRows(root: string, { dataset, ticker }: SeriesId): Promise<Row[]> {
  const folder = join(root, 'lake', dataset.name, `ticker=${ticker}`)
  const files = (await filesBelow(folder)).filter((name) => name.endsWith('.parquet'))
  if (files.length === 0) return []
  const rows = await askDuckDb(
    `SELECT * REPLACE (epoch_us(timestamp) AS timestamp)
     FROM read_parquet('${folder}/**/*.parquet', hive_partitioning = false) ORDER BY ${dataset.key.join(', ')}`,
  )
  const exact = new Set(dataset.columns.filter(({ type }) => type === 'ns').map(({ name }) => name))
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'bigint' && !exact.has(name) ? Number(value) : value,
      ]),
    ),
  )
}

/** Files below `folder`, relative to it, in order. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

/** Files that were never finished. There must be none once a writer has opened the series. */
export const unfinishedBelow = async (folder: string): Promise<string[]> =>
  (await filesBelow(folder)).filter((name) => /\.(tmp|next)$/.test(name))
