import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import type { Figures } from '../harness/child.ts'

/**
 * What DuckDB takes for the heart of it by one query over all files: per ticker and day the bars, minutes, volume and
 * range of the regular hours. No calendar, no ledger, no evidence.
 */
export async function minuteAggregate({ lake }: { readonly lake: string }): Promise<Figures> {
  return await measured(async (connection) => {
    await connection.run(`SET TimeZone = 'America/New_York'`)
    const result = await connection.runAndReadAll(`
    SELECT ticker, timestamp::DATE AS day, count(*), count(DISTINCT minute(timestamp) + 60 * hour(timestamp)),
      sum(volume), max(high), min(low), arg_min(open, timestamp), arg_max(close, timestamp)
    FROM read_parquet('${lake}/lake/equity_bars_1m/*/*/*.parquet', hive_partitioning = false)
    WHERE hour(timestamp) * 60 + minute(timestamp) BETWEEN 570 AND 959 GROUP BY ALL`)
    return { rows: result.currentRowCount }
  })
}

/** What DuckDB takes to read every value of every file once. */
export async function everyValue({ lake }: { readonly lake: string }): Promise<Figures> {
  return await measured(async (connection) => {
    const result = await connection.runAndReadAll(`
      SELECT count(*)::INTEGER, bit_xor(hash(bars)) FROM
      (FROM read_parquet('${lake}/lake/equity_bars_1m/*/*/*.parquet', hive_partitioning = false)) AS bars`)
    return { rows: Number(result.getRows()[0]![0]) }
  })
}

/** What DuckDB takes to write the rows of all files below `folder` into one, in order of ticker and time. */
export async function mergeFiles(params: { readonly folder: string; readonly to: string }): Promise<Figures> {
  return await measured(async (connection) => {
    const { rowsChanged } = await connection.run(`
      COPY (FROM read_parquet('${params.folder}/**/*.parquet', hive_partitioning = false) ORDER BY ticker, timestamp)
      TO '${params.to}' (FORMAT parquet, COMPRESSION zstd)`)
    return { rows: rowsChanged }
  })
}

async function measured(work: (connection: DuckDBConnection) => Promise<Figures>): Promise<Figures> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const startMs = performance.now()
  const figures = await work(connection)
  const wallMs = performance.now() - startMs
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  connection.closeSync()
  instance.closeSync()
  return { wallMs, rssBytes: maxRSS * 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000, ...figures }
}
