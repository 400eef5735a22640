import { DuckDBInstance } from '@duckdb/node-api'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type FileMetaData } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import type { ColumnType } from '../../src/core/batch.ts'
import type { DatasetDefinition } from '../../src/market/dataset.ts'
import type { Row } from '../lake/engines/samples.ts'

/** hyparquet otherwise makes Dates, which have no microseconds. */
const parsers = {
  timestampFromMilliseconds: (ms: bigint) => Number(ms) * 1000,
  timestampFromMicroseconds: (us: bigint) => Number(us),
  timestampFromNanoseconds: (ns: bigint) => ns,
  dateFromDays: (days: number) => days,
  stringFromBytes: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
}

/** The rows of a file as hyparquet reads them, in the values that batches have. */
export async function hyparquetRows(dataset: DatasetDefinition, path: string): Promise<Row[]> {
  const file = await asyncBufferFromFile(path)
  const rows = await parquetReadObjects({ file, compressors, parsers: parsers })
  const types = new Map<string, ColumnType>(dataset.columns.map(({ name, type }) => [name, type]))
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(types.get(name), value)])),
  )
}

function plain(type: ColumnType | undefined, value: unknown): unknown {
  if (value == null) return null
  if (type === 'int_list') return Array.from(value as number[])
  return typeof value === 'bigint' && type !== 'ns' ? Number(value) : value
}

export async function hyparquetMetadata(path: string): Promise<FileMetaData> {
  return await parquetMetadataAsync(await asyncBufferFromFile(path), { parsers: parsers })
}

/** The answer of a fresh DuckDB in UTC, apart from the engine under test. */
export async function duckdbRows(sql: string): Promise<Row[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run(`SET TimeZone = 'UTC'`)
    return (await connection.runAndReadAll(sql)).getRowObjectsJS()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
