import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { createEngine } from '../../src/lake/engines/index.ts'
import { openLake } from '../../src/lake/index.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import { datasetNamed } from '../../src/market/datasets/index.ts'
import type { Gap, SeriesGaps } from '../../src/pipeline/gaps/gap.ts'
import { repairGaps, type RepairResult } from '../../src/pipeline/gaps/repair.ts'
import { scanGaps } from '../../src/pipeline/gaps/scan.ts'
import type { HistorySource } from '../../src/sources/history.ts'
import type { WireBar } from '../support/bar-vendor.ts'
import { askDuckDb } from '../support/lake.ts'
import { NOW_MS } from './record.ts'

export const MINUTE_MS = 60_000

export interface GapRequest {
  readonly dataset?: string
  readonly ticker?: string
  readonly from?: string
  readonly to?: string
  readonly nowMs?: number
}

const scanEngine = createEngine('duckdb', { tempDirectory: '/tmp/tapelake-scratch', threads: 1 })

async function withScan<T>(
  root: string,
  { dataset = 'equity_bars_1m', ticker = 'SPY', from, to, nowMs = NOW_MS }: GapRequest,
  work: (context: {
    series: { dataset: ReturnType<typeof datasetNamed>; ticker: string }
    scan: Parameters<typeof scanGaps>[1]
    found: SeriesGaps | undefined
  }) => Promise<T>,
): Promise<T> {
  const lake = await openLake(root)
  try {
    const series = { dataset: datasetNamed(dataset), ticker }
    const scan = { root, engine: scanEngine, view: (one: typeof series) => lake.view(one), nowMs, from, to }
    return await work({ series, scan, found: await scanGaps(await lake.view(series), scan) })
  } finally {
    await lake.close()
  }
}

/** Gaps of one series, those that nothing traded in left out. */
export async function gapsIn(root: string, request: GapRequest = {}): Promise<readonly Gap[]> {
  return await withScan(root, request, async ({ found }) =>
    (found?.gaps ?? []).filter(({ reason }) => reason !== 'no_trade'),
  )
}

/** Repairs one series from `source`. */
export async function repairIn(
  root: string,
  source: HistorySource,
  request: GapRequest = {},
): Promise<RepairResult> {
  const engine = createEngine('duckdb', { tempDirectory: join(root, 'scratch') })
  const never = new AbortController().signal
  try {
    return await withScan(root, request, ({ series, scan, found }) =>
      repairGaps(series, found!, {
        ...{ root, runId: 'repair-run', source, engine, scan, compression: 'zstd', rowGroupRows: 122_880 },
        ...{ nowMs: request.nowMs ?? NOW_MS, concurrency: 1, lockWaitMs: 0 },
        ...{ graceful: never, immediate: never },
      }),
    )
  } finally {
    await engine.close()
  }
}

/** Takes the rows that match `where` out of the file of a month, as somebody with DuckDB would. */
export async function cutRows(
  root: string,
  where: string,
  { ticker = 'SPY', partition = 'month=2025-06' } = {},
): Promise<void> {
  const folder = join(root, 'lake/equity_bars_1m', `ticker=${ticker}`, partition)
  const [file] = await askDuckDb(`SELECT file FROM glob('${folder}/*.parquet')`)
  const path = String(file!['file'])
  await askDuckDb(
    `COPY (SELECT * FROM read_parquet('${path}', hive_partitioning = false) WHERE NOT (${where})) TO '${path}.new' (FORMAT parquet)`,
  )
  renameSync(`${path}.new`, path)
}

/** Bars of a session: minute `i` of the regular hours has `trades(i)` trades of 100 shares; 0: no bar. */
export function barsOf(date: string, trades: (minute: number) => number): WireBar[] {
  const { openMs, closeMs } = calendarOf('XNYS').on(date)!
  const minutes = Array.from({ length: (closeMs - openMs) / MINUTE_MS }, (_, minute) => minute)
  return minutes.flatMap((minute) => {
    const n = trades(minute)
    const t = openMs + minute * MINUTE_MS
    return n > 0 ? [{ t, o: 100, h: 101, l: 99, c: 100, v: n * 100, vw: 100.1, n }] : []
  })
}

/** A daily bar that counts exactly `bars`. */
export const dayOf = (date: string, bars: readonly WireBar[]): WireBar => ({
  ...{
    t: calendarOf('XNYS').on(date)!.openMs - 9.5 * 60 * MINUTE_MS,
    o: 100,
    h: 101,
    l: 99,
    c: 100,
    vw: 100,
  },
  v: bars.reduce((sum, { v }) => sum + Number(v), 0),
  n: bars.reduce((sum, { n }) => sum + Number(n), 0),
})

/** As `HH:MM-HH:MM` after the open, with the reason. */
export function brief({ session, fromMs, toMs, reason }: Gap): string {
  const { openMs } = calendarOf('XNYS').on(session)!
  return `${session.slice(5)} ${(fromMs - openMs) / MINUTE_MS}-${(toMs - openMs) / MINUTE_MS} ${reason}`
}

/** Bars of a stock at `price` that trades evenly, a little up and down. */
export function calm(date: string, price = 100, trades: (minute: number) => number = () => 500): WireBar[] {
  return barsOf(date, trades).map((bar) => {
    const minute = Number(bar['t']) / MINUTE_MS
    const close = price * (1 + 0.0004 * Math.sin(minute * 1.7))
    return {
      ...bar,
      o: close,
      c: close,
      h: close * 1.0002,
      l: close * 0.9998,
      vw: price,
      v: 50_000 + (minute % 97),
    }
  })
}
