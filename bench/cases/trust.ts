import { DuckDBInstance } from '@duckdb/node-api'
import type { Figures } from '../harness/child.ts'

/**
 * What DuckDB takes for the heart of it by one query over all files: per ticker and day the bars, minutes, volume and
 * range of the regular hours. No calendar, no ledger, no evidence.
 */
export async function minuteAggregate({ lake }: { readonly lake: string }): Promise<Figures> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const startMs = performance.now()
  await connection.run(`SET TimeZone = 'America/New_York'`)
  const result = await connection.runAndReadAll(`
    SELECT ticker, timestamp::DATE AS day, count(*), count(DISTINCT minute(timestamp) + 60 * hour(timestamp)),
      sum(volume), max(high), min(low), arg_min(open, timestamp), arg_max(close, timestamp)
    FROM read_parquet('${lake}/lake/equity_bars_1m/*/*/*.parquet', hive_partitioning = false)
    WHERE hour(timestamp) * 60 + minute(timestamp) BETWEEN 570 AND 959 GROUP BY ALL`)
  const wallMs = performance.now() - startMs
  const rows = result.currentRowCount
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  connection.closeSync()
  instance.closeSync()
  return { wallMs, rows, rssBytes: maxRSS * 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 }
}
