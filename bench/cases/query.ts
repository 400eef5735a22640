import { join } from 'node:path'
import type { LakeReader } from '../../src/lake/reader/index.ts'
import type { Figures } from '../harness/child.ts'
import { coldAndWarm, median, timed } from '../harness/clock.ts'
import { load } from '../harness/modules.ts'

interface QueryParams {
  /** Data directory of a lake. */
  readonly root: string
  readonly runs: number
}

/** One regular session of one ticker: 390 minute bars at most, sums over all of them. */
export const oneDay = (table: string): string =>
  `SELECT count(*) AS bars, max(high) AS high, min(low) AS low, sum(volume) AS volume FROM ${table}
   WHERE ticker = 'SPY' AND timestamp >= '2024-06-03 13:30:00+00' AND timestamp < '2024-06-03 20:00:00+00'`

/** Through the ledger: the reader opens exactly the live files of the lake. */
export async function ledgerQuery({ root, runs }: QueryParams): Promise<Figures> {
  const [{ openLake }, { openReader }] = await Promise.all([load.lake(), load.reader()])
  let reader: LakeReader | undefined
  const openMs = await timed(async () => {
    const lake = await openLake(root)
    const views = await lake.files({ datasets: ['equity_bars_1m'] })
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
