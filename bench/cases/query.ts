import { join } from 'node:path'
import type { LakeReader } from '../../src/lake/reader/index.ts'
import type { Figures } from '../harness/child.ts'
import { coldAndWarm, median, timed } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'

interface QueryParams {
  /** Data directory of a lake. */
  readonly root: string
  readonly runs: number
  /** Whether the ledger is asked for the files of {@link DAY} only (1), or for all of the dataset (0). */
  readonly day?: 0 | 1
}

const DAY = '2024-06-03'

/** One regular session of one ticker: 390 minute bars at most, sums over all of them. */
export const oneDay = (table: string): string =>
  `SELECT count(*) AS bars, max(high) AS high, min(low) AS low, sum(volume) AS volume FROM ${table}
   WHERE ticker = 'SPY' AND timestamp >= '${DAY} 13:30:00+00' AND timestamp < '${DAY} 20:00:00+00'`

/** Through the ledger: the reader opens live files only, those of the day if it is told which. */
export async function ledgerQuery({ root, runs, day = 0 }: QueryParams): Promise<Figures> {
  const [{ openLake }, { openReader }] = await Promise.all([load.lake(), load.reader()])
  let reader: LakeReader | undefined
  const openMs = await timed(async () => {
    const lake = await openLake(root)
    const within = day === 1 ? { tickers: ['SPY'], from: DAY, to: DAY } : {}
    const views = await lake.files({ datasets: ['equity_bars_1m'], ...within })
    await lake.close()
    reader = await openReader({ views, tempDirectory: join(root, 'state', 'scratch') })
  })
  const times = await coldAndWarm(async () => {
    const result = await reader!.query(oneDay('equity_bars_1m'))
    for await (const chunk of result.chunks()) assertBars(chunk.getRows()[0]?.[0])
  }, runs)
  await reader!.close()
  return { openMs, ...times }
}

/** What one does without a ledger: DuckDB with a glob over the lake, pruned by its Hive folders. */
export async function globQuery({ root, runs }: QueryParams): Promise<Figures> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const glob = join(root, 'lake', 'equity_bars_1m', '**', '*.parquet')
  const times: number[] = []
  const startMs = performance.now()
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`SET TimeZone = 'UTC'`)
  const openMs = performance.now() - startMs
  for (let run = 0; run <= runs; run++) {
    const runMs = await timed(async () => {
      const table = `read_parquet('${glob.replaceAll("'", "''")}', hive_partitioning = true)`
      const found = await connection.runAndReadAll(oneDay(table))
      assertBars(found.getRows()[0]?.[0])
    })
    times.push(runMs)
  }
  connection.closeSync()
  instance.closeSync()
  return { openMs, coldMs: times[0]!, warmMs: median(times.slice(1)) }
}

function assertBars(found: unknown): void {
  if (Number(found) < 300 || Number(found) > 390) throw new Error(`${String(found)} bars in a session`)
}
