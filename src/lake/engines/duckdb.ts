import { stat } from 'node:fs/promises'
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api'
import type { Batch } from '../../core/batch.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../market/dataset.ts'
import type { ParquetEngine, SegmentFacts, SegmentOptions, SegmentWriter } from '../engine.ts'
import { selectTyped } from './duckdb-columns.ts'
import { chunkHolds, comparisonsOf } from './duckdb-compare.ts'
import { readError, writeError } from './duckdb-errors.ts'
import { BatchBuilder } from './duckdb-fetch.ts'
import { hashedColumn, ROW_NUMBER, rowHash, type HashedColumn } from './duckdb-hash.ts'
import { openDuckDb, type DuckDbInstance, type DuckDbOptions } from './duckdb-instance.ts'
import { DuckDbSegment } from './duckdb-segment.ts'
import { sqlPaths } from './sql-text.ts'

/** Most rows of a batch that `read` yields. */
const BATCH_ROWS = 32 * 2048
/** After so many segments free memory goes back to the system: it costs some milliseconds, and saves up to 70 MB. */
const SEGMENTS_PER_TRIM = 2
/** Files that are only compared leave less behind; pages that were given back must be made anew, a tenth of a page's time. */
const COMPARED_PER_TRIM = 30

/** The chunks of `result`: while one is worked on here, the next is being decoded. */
async function* ahead(result: DuckDBResult): AsyncGenerator<DuckDBDataChunk> {
  let next = result.fetchChunk()
  try {
    for (;;) {
      const chunk = await next
      if (!chunk || chunk.rowCount === 0) return
      next = result.fetchChunk()
      yield chunk
    }
  } finally {
    await next.catch(() => undefined) // the connection is closed after this
  }
}

/** Writes and reads with DuckDB: holds every dataset exactly, works off the main thread. Opened on first use. */
export class DuckDbEngine implements ParquetEngine {
  readonly name = 'duckdb'
  readonly #options: DuckDbOptions
  #opened: Promise<DuckDbInstance> | undefined
  /** Connections to compare files with, open and unused: with one at hand DuckDB begins at once. */
  #idle: DuckDBConnection[] = []
  #segments = 0
  #compared = 0
  #trimming: Promise<void> = Promise.resolve()

  constructor(options: DuckDbOptions) {
    this.#options = options
  }

  /** Every dataset and every compression: nothing is refused. */
  assertCanHold(): void {
    return
  }

  async #open(): Promise<DuckDbInstance> {
    this.#opened ??= openDuckDb(this.#options)
    return await this.#opened
  }

  async openSegment(options: SegmentOptions): Promise<SegmentWriter> {
    const opened = await this.#open()
    const { duckdb, instance } = opened
    const table = `segment_${++this.#segments}`
    if (this.#segments % SEGMENTS_PER_TRIM === 0) this.#trim(opened)
    try {
      return await new DuckDbSegment(duckdb, await instance.connect(), table, options).open()
    } catch (error) {
      throw writeError(error, options.path)
    }
  }

  #trim(opened: DuckDbInstance): void {
    this.#trimming = this.#trimming.then(() => opened.trim()).catch(() => undefined)
  }

  async *read(dataset: DatasetDefinition, paths: readonly string[]): AsyncIterable<Batch> {
    let builder = new BatchBuilder(dataset, BATCH_ROWS)
    for await (const chunk of this.#chunks(selectTyped(dataset.columns), paths)) {
      if (!builder.hasRoomFor(chunk.rowCount)) {
        yield builder.build()
        builder = new BatchBuilder(dataset, BATCH_ROWS)
      }
      builder.add(chunk)
    }
    if (builder.length > 0) yield builder.build()
  }

  async holds(dataset: DatasetDefinition, path: string, expected: Batch): Promise<boolean> {
    const same =
      (await this.#holdsQuickly(dataset, path, expected)) ||
      (await this.#holdsCells(dataset.columns, path, expected))
    if (++this.#compared % COMPARED_PER_TRIM === 0) this.#trim(await this.#open())
    return same
  }

  /** Columns by their hash, the others by their cells. False is no verdict. */
  async #holdsQuickly({ columns }: DatasetDefinition, path: string, expected: Batch): Promise<boolean> {
    const hashed = columns.map((column) => hashedColumn(column, expected))
    const known = hashed.filter((column) => column !== undefined)
    if (!(await this.#holdsHash(known, path, expected))) return false
    const others = columns.filter((_, i) => !hashed[i])
    return others.length === 0 || (await this.#holdsCells(others, path, expected))
  }

  async #holdsHash(columns: readonly HashedColumn[], path: string, expected: Batch): Promise<boolean> {
    const { instance } = await this.#open()
    const connection = this.#idle.pop() ?? (await instance.connect())
    try {
      const values = [ROW_NUMBER, ...columns.map(({ sql }) => sql)].join(', ')
      const from = `read_parquet(${sqlPaths([path])}, hive_partitioning = false, file_row_number = true)`
      const finding = connection.runAndReadAll(`SELECT count(*), bit_xor(hash(${values})) FROM ${from}`)
      finding.catch(() => undefined) // awaited below: this thread hashes while DuckDB does
      const hash = rowHash(expected, columns)
      const [rows, found] = (await finding).getRows()[0] as [bigint, bigint | null]
      this.#idle.push(connection)
      return Number(rows) === expected.length && (found ?? 0n) === hash
    } catch (error) {
      connection.closeSync()
      throw readError(error, [path])
    }
  }

  async #holdsCells(columns: readonly ColumnDefinition[], path: string, expected: Batch): Promise<boolean> {
    const comparisons = comparisonsOf(columns, expected)
    const sql = comparisons.map((one) => one.sql).join(', ')
    let rows = 0
    for await (const chunk of this.#chunks(sql, [path])) {
      if (rows + chunk.rowCount > expected.length || !chunkHolds(comparisons, chunk, rows)) return false
      rows += chunk.rowCount
    }
    return rows === expected.length
  }

  /**
   * All rows of `paths` in file order, as DuckDB gives them.
   *
   * @param columns SQL expressions
   */
  async *#chunks(columns: string, paths: readonly string[]): AsyncGenerator<DuckDBDataChunk> {
    if (paths.length === 0) return
    const { instance } = await this.#open()
    const connection = await instance.connect()
    try {
      const sql = `SELECT ${columns} FROM read_parquet(${sqlPaths(paths)}, hive_partitioning = false)`
      yield* ahead(await connection.stream(sql))
    } catch (error) {
      throw readError(error, paths)
    } finally {
      connection.closeSync()
    }
  }

  async inspect(path: string): Promise<SegmentFacts> {
    const { instance } = await this.#open()
    const connection = await instance.connect()
    try {
      const { size } = await stat(path)
      const file = sqlPaths([path])
      const rows = await connection.runAndReadAll(`SELECT num_rows FROM parquet_file_metadata(${file})`)
      const facts = await connection.runAndReadAll(
        `SELECT decode(key), decode(value) FROM parquet_kv_metadata(${file})`,
      )
      const columns = await connection.runAndReadAll(
        `SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet(${file}, hive_partitioning = false))`,
      )
      return {
        rows: Number(rows.getRows()[0]![0]),
        bytes: size,
        metadata: Object.fromEntries(facts.getRows()) as Record<string, string>,
        columns: columns.getRows().map(([name, type]) => ({ name: String(name), type: String(type) })),
      }
    } catch (error) {
      throw readError(error, [path])
    } finally {
      connection.closeSync()
    }
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await this.#trimming
    for (const connection of this.#idle) connection.closeSync()
    this.#idle = []
    await (await opened)?.close()
  }
}
