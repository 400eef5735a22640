import type { DuckDBDataChunk, DuckDBResult, DuckDBType } from '@duckdb/node-api'

export interface ResultColumn {
  readonly name: string
  readonly type: DuckDBType
}

/** What a query found; it is read while it is computed, so that it may be larger than memory. */
export interface QueryResult {
  /** The text that was asked. */
  readonly sql: string
  readonly columns: readonly ResultColumn[]
  /** The rows, at most 2,048 at a time; can be read once. @throws {UsageError} what fails while it is computed */
  chunks(): AsyncIterable<DuckDBDataChunk>
  /** Writes the whole result as a Parquet file to `path`, inside the reader's temporary folder. */
  copyToParquet(path: string): Promise<void>
  /** A path for a temporary file of this result. */
  temporaryPath(): string
  /** Gives up what was not read. Harmless twice. */
  close(): void
}

/** Names and types of the columns of `result`; names may repeat. */
export const columnsOf = (result: DuckDBResult): ResultColumn[] =>
  result.columnNames().map((name, i) => ({ name, type: result.columnType(i) }))
