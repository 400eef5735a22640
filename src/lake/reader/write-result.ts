import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { cellWriter } from './cells.ts'
import { pump } from './pump.ts'
import { arrowStream } from './format-arrow.ts'
import { csvText } from './format-csv.ts'
import { jsonText } from './format-json.ts'
import { tableText } from './format-table.ts'
import type { QueryResult } from './result.ts'

export const RESULT_FORMATS = ['table', 'csv', 'json', 'parquet', 'arrow'] as const
export type ResultFormat = (typeof RESULT_FORMATS)[number]

export interface WriteOptions {
  /** Rows that a `table` shows at most; other formats give all. Default 40. */
  readonly maxRows?: number
}

/**
 * Writes `result` to `out` in memory bounded whatever its size, at the pace that `out` takes it. When it
 * resolves, `out` has passed all of it on; `out` stays open.
 *
 * @throws {UsageError} what fails while the result is computed
 * @throws what `out` fails with, EPIPE included, and the reason when the query's signal aborts
 */
export async function writeResult(
  result: QueryResult,
  format: ResultFormat,
  out: Writable,
  options: WriteOptions = {},
): Promise<void> {
  try {
    if (format === 'parquet') await writeParquet(result, out)
    else await pump(await contentOf(result, format, options), out)
  } finally {
    result.close()
  }
}

async function contentOf(
  result: QueryResult,
  format: Exclude<ResultFormat, 'parquet'>,
  { maxRows }: WriteOptions,
): Promise<AsyncIterable<string | Uint8Array>> {
  if (format === 'arrow') return arrowStream(result)
  const cells = cellWriter(await import('@duckdb/node-api'))
  if (format === 'csv') return csvText(result, cells)
  return format === 'json' ? jsonText(result, cells) : tableText(result, cells, maxRows)
}

/** A Parquet file ends with its table of contents, so it is made whole in a temporary file first. */
async function writeParquet(result: QueryResult, out: Writable): Promise<void> {
  const path = result.temporaryPath()
  try {
    await result.copyToParquet(path)
    await pump(createReadStream(path) as AsyncIterable<Uint8Array>, out)
  } finally {
    await rm(path, { force: true })
  }
}
