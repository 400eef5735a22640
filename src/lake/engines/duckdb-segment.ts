import { rm } from 'node:fs/promises'
import type { DuckDBAppender, DuckDBConnection, DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api'
import type { Batch, StringColumn } from '../../core/batch.ts'
import { SchemaError } from '../../core/errors.ts'
import type { ColumnDefinition } from '../../market/dataset.ts'
import type { SegmentOptions, SegmentWriter } from '../engine.ts'
import { assertBatchFits } from './batch-check.ts'
import { fillColumn, SQL_TYPES, vectorType } from './duckdb-columns.ts'
import { writeError } from './duckdb-errors.ts'
import type { DuckDbModule } from './duckdb-instance.ts'
import { KeyOrder } from './key-order.ts'
import { sqlIdentifier, sqlString } from './sql-text.ts'

/** Rows in a vector: DuckDB's own fixed size. */
export const VECTOR_ROWS = 2048

/** What carries rows to DuckDB, vector by vector. */
interface Carrier {
  readonly chunk: DuckDBDataChunk
  /** Those of full length that serve every time; a list's vector depends on the lists, and is made anew. */
  readonly vectors: readonly (DuckDBVector | undefined)[]
}

/**
 * Gathers the rows of one segment in an in-memory table, which spills to disk above the memory limit, and writes
 * them with one COPY. A text that may not be null and mostly repeats (the ticker) is not stored per row: rows with
 * the first value seen are left null, and the COPY's SELECT puts the value back.
 */
export class DuckDbSegment implements SegmentWriter {
  readonly #duckdb: DuckDbModule
  readonly #connection: DuckDBConnection
  readonly #table: string
  readonly #options: SegmentOptions
  readonly #order: KeyOrder
  readonly #omitted = new Map<string, string>()
  #appender: DuckDBAppender | undefined
  #carrier: Carrier | undefined
  #rows = 0

  /** @param connection owned by the segment, which closes it */
  constructor(duckdb: DuckDbModule, connection: DuckDBConnection, table: string, options: SegmentOptions) {
    this.#duckdb = duckdb
    this.#connection = connection
    this.#table = table
    this.#options = options
    this.#order = new KeyOrder(options.dataset.key)
  }

  /** Makes the table. */
  async open(): Promise<this> {
    const columns = this.#options.dataset.columns.map(
      ({ name, type }) => `${sqlIdentifier(name)} ${SQL_TYPES[type]}`,
    )
    await this.#connection.run(`CREATE TABLE ${this.#table} (${columns.join(', ')})`)
    this.#appender = await this.#connection.createAppender(this.#table)
    return this
  }

  async append(batch: Batch): Promise<void> {
    const { dataset, path } = this.#options
    assertBatchFits(dataset, batch)
    if (!this.#appender) throw new SchemaError(`${path}: the segment is already closed`)
    for (const column of dataset.columns) this.#omitFirstValue(column, batch)
    this.#order.add(batch)
    try {
      for (let from = 0; from < batch.length; from += VECTOR_ROWS)
        this.#appendVector(this.#appender, batch, from)
    } catch (error) {
      throw writeError(error, path)
    }
    this.#rows += batch.length
  }

  #omitFirstValue({ name, type, nullable }: ColumnDefinition, batch: Batch): void {
    if (type !== 'string' || nullable || batch.length === 0 || this.#omitted.has(name)) return
    const { codes, dictionary } = batch.columns[name] as StringColumn
    const first = dictionary[codes[0]!]!
    if (!first.includes('\0')) this.#omitted.set(name, first) // SQL text ends at a zero
  }

  #appendVector(appender: DuckDBAppender, batch: Batch, from: number): void {
    const { columns } = this.#options.dataset
    const to = Math.min(from + VECTOR_ROWS, batch.length)
    this.#carrier ??= this.#newCarrier()
    const { chunk, vectors } = this.#carrier
    chunk.reset()
    chunk.rowCount = to - from
    columns.forEach((column, i) => {
      const slice = { batch, column, from, to, omitted: this.#omitted.get(column.name) }
      fillColumn(this.#duckdb, vectors[i] ?? chunk.getColumnVector(i), slice)
    })
    appender.appendDataChunk(chunk)
  }

  /** One for all rows: making it costs about as much as filling it, and the garbage collector is in no hurry. */
  #newCarrier(): Carrier {
    const { columns } = this.#options.dataset
    const types = columns.map(({ type }) => vectorType(this.#duckdb, type))
    const chunk = this.#duckdb.DuckDBDataChunk.create(types, VECTOR_ROWS)
    return {
      chunk,
      vectors: columns.map(({ type }, i) => (type === 'int_list' ? undefined : chunk.getColumnVector(i))),
    }
  }

  async finish(): Promise<{ readonly rows: number }> {
    const { path, dataset } = this.#options
    if (this.#rows === 0) {
      await this.abort()
      throw new SchemaError(`${path}: a segment of ${dataset.name} without rows is not written`)
    }
    try {
      this.#appender?.closeSync()
      this.#appender = undefined
      if (!this.#order.strictlyAscending) await this.#connection.run(this.#dropSuperseded())
      const { rowsChanged } = await this.#connection.run(this.#copyStatement())
      await this.#close()
      return { rows: rowsChanged }
    } catch (error) {
      await this.abort()
      throw writeError(error, path)
    }
  }

  /** Keeps of each key the row given last. Apart from the sort, as one query for both needs twice the memory. */
  #dropSuperseded(): string {
    const key = this.#options.dataset.key.map(sqlIdentifier).join(', ')
    const age = `row_number() OVER (PARTITION BY ${key} ORDER BY rowid DESC)`
    const superseded = `SELECT row FROM (SELECT rowid AS row, ${age} AS age FROM ${this.#table}) WHERE age > 1`
    return `DELETE FROM ${this.#table} WHERE rowid IN (${superseded})`
  }

  #copyStatement(): string {
    const { dataset, path, compression, rowGroupRows, metadata } = this.#options
    const columns = dataset.columns.map(({ name }) => `${this.#value(name)} AS ${sqlIdentifier(name)}`)
    const keys = dataset.key.map((name) => `${this.#value(name)} NULLS FIRST`) // as core/sort.ts has it
    const order = this.#order.strictlyAscending ? '' : ` ORDER BY ${keys.join(', ')}`
    const facts = Object.entries(metadata).map(([name, value]) => `${sqlString(name)}: ${sqlString(value)}`)
    const options = [
      'FORMAT parquet',
      `COMPRESSION ${compression}`,
      `ROW_GROUP_SIZE ${rowGroupRows}`,
      'USE_TMP_FILE false', // the caller writes under a temporary name of its own
      ...(facts.length > 0 ? [`KV_METADATA {${facts.join(', ')}}`] : []),
    ]
    const rows = `SELECT ${columns.join(', ')} FROM ${this.#table}${order}`
    return `COPY (${rows}) TO ${sqlString(path)} (${options.join(', ')})`
  }

  /** The SQL of a column's values, those that were left out included. */
  #value(name: string): string {
    const omitted = this.#omitted.get(name)
    return omitted === undefined
      ? sqlIdentifier(name)
      : `coalesce(${sqlIdentifier(name)}, ${sqlString(omitted)})`
  }

  async abort(): Promise<void> {
    await this.#close()
    await rm(this.#options.path, { force: true }).catch(() => undefined)
  }

  /** Frees the table's memory. */
  async #close(): Promise<void> {
    try {
      this.#appender?.closeSync()
    } catch {
      // the rows are dropped anyway
    }
    this.#appender = undefined
    await this.#connection.run(`DROP TABLE IF EXISTS ${this.#table}`).catch(() => undefined)
    this.#connection.closeSync()
  }
}
