import type { DuckDBConnection } from '@duckdb/node-api'
import { sliceBatch, stringAt, type Batch, type StringColumn } from '../../core/batch.ts'
import { messageOf } from '../../core/errors.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../market/dataset.ts'
import { BatchBuilder } from '../engines/duckdb-fetch.ts'
import { openDuckDb, type DuckDbInstance } from '../engines/duckdb-instance.ts'
import { writeError } from '../engines/duckdb-errors.ts'
import { sqlIdentifier, sqlString } from '../engines/sql-text.ts'
import { columnValues, csvType, STAGED_TYPES, type ColumnMapping } from './columns.ts'
import { refuseFile } from './import-error.ts'
import type { ImportFile } from './import-file.ts'

/** What the staged rows of one series are, before they are read. */
export interface StagedSeries {
  readonly ticker: string
  readonly rows: number
  /** First and last instant, UTC epoch milliseconds. */
  readonly firstMs: number
  readonly lastMs: number
}

/** Times of staged rows: how many lie where. */
export interface TimeCounts {
  readonly rows: number
  /** At midnight in New York, where no minute bar can be. */
  readonly midnight: number
  /** On whole minutes and on whole hours. */
  readonly minutes: number
  readonly hours: number
}

/** Memory of staged rows; more of them lie on the disk. */
const MEMORY_MB = 256
/** Most rows of a batch. */
const BATCH_ROWS = 32 * 2048

/**
 * Rows of files on their way into the lake: every line is read and checked before any row goes on. What does not fit
 * into memory lies below the scratch folder until `close`.
 */
export class ImportStaging {
  readonly #opened: DuckDbInstance
  readonly #connection: DuckDBConnection
  readonly #selects: string[] = []
  readonly #checks: (() => Promise<void>)[] = []
  #files = 0

  private constructor(opened: DuckDbInstance, connection: DuckDBConnection) {
    this.#opened = opened
    this.#connection = connection
  }

  static async open(tempDirectory: string): Promise<ImportStaging> {
    const opened = await openDuckDb({ tempDirectory, memoryLimitMb: MEMORY_MB })
    return new ImportStaging(opened, await opened.instance.connect())
  }

  /** Names and SQL types of the columns of a Parquet file. @throws {ImportRefusedError} when it is none */
  async parquetColumns({ path }: ImportFile): Promise<ReadonlyMap<string, string>> {
    try {
      const found = await this.#connection.runAndReadAll(
        `DESCRIBE SELECT * FROM read_parquet(${sqlString(path)}, hive_partitioning = false)`,
      )
      return new Map(found.getRows().map(([name, type]) => [String(name), String(type)]))
    } catch (error) {
      throw refuseFile(path, `not a whole Parquet file (${messageOf(error).split('\n')[0]})`, error)
    }
  }

  /** Key-value metadata of a Parquet file. */
  async parquetMetadata({ path }: ImportFile): Promise<Readonly<Record<string, string>>> {
    const found = await this.#connection.runAndReadAll(
      `SELECT decode(key), decode(value) FROM parquet_kv_metadata(${sqlString(path)})`,
    )
    return Object.fromEntries(found.getRows()) as Record<string, string>
  }

  /**
   * Reads all of a CSV file.
   *
   * @param ticker where the file has no column of it
   * @throws {ImportRefusedError} naming file and line of what cannot be read
   */
  async addCsv(
    file: ImportFile,
    dataset: DatasetDefinition,
    mapping: ColumnMapping,
    ticker?: string,
  ): Promise<void> {
    const types = new Map(file.header.map((name) => [name, csvType(name, dataset, mapping)]))
    const columns = [...types].map(([name, type]) => `${sqlString(name)}: ${sqlString(type)}`)
    const options = [
      `columns = {${columns.join(', ')}}`,
      'auto_detect = false',
      'header = true',
      `delim = ','`,
      `quote = '"'`,
      `escape = '"'`,
      `nullstr = ''`,
      `compression = ${file.gzipped ? `'gzip'` : `'none'`}`,
    ]
    await this.#stage(file, `read_csv(${sqlString(file.path)}, ${options.join(', ')})`)
    this.#select(file, dataset, mapping, types, ticker)
  }

  /** Reads all of a Parquet file. @throws {ImportRefusedError} */
  async addParquet(
    file: ImportFile,
    dataset: DatasetDefinition,
    mapping: ColumnMapping,
    ticker?: string,
  ): Promise<void> {
    const types = await this.parquetColumns(file)
    await this.#stage(file, `read_parquet(${sqlString(file.path)}, hive_partitioning = false)`)
    this.#select(file, dataset, mapping, types, ticker)
  }

  async #stage({ path }: ImportFile, source: string): Promise<void> {
    const table = `file_${++this.#files}`
    try {
      await this.#connection.run(`CREATE TABLE ${table} AS SELECT * FROM ${source}`)
    } catch (error) {
      const disk = writeError(error, path)
      if (disk !== error) throw disk
      const { line, why } = csvFault(messageOf(error))
      throw refuseFile(line === undefined ? path : `${path}:${line}`, why, error)
    }
  }

  #select(
    file: ImportFile,
    dataset: DatasetDefinition,
    mapping: ColumnMapping,
    types: ReadonlyMap<string, string>,
    ticker: string | undefined,
  ): void {
    const number = this.#files
    const values = columnValues(dataset, mapping, types, ticker)
    const columns = values.map(({ column, sql }) => `${sql} AS ${sqlIdentifier(column.name)}`)
    this.#selects.push(
      `SELECT ${columns.join(', ')}, ${number} AS file_number, rowid AS row_number FROM file_${number}`,
    )
    for (const { column, source, sql } of values) {
      if (column.name === 'ticker' && source !== undefined)
        this.#checks.push(() => this.#checkTicker(file, number, source))
      if (source === undefined || types.get(source) !== 'VARCHAR' || column.type === 'string') continue
      this.#checks.push(() => this.#checkColumn(file, number, source, sql))
    }
  }

  /** @throws {ImportRefusedError} naming the first line without a ticker: it belongs to no series */
  async #checkTicker({ path }: ImportFile, number: number, source: string): Promise<void> {
    const found = await this.#connection.runAndReadAll(
      `SELECT min(rowid) FROM file_${number} WHERE ${sqlIdentifier(source)} IS NULL`,
    )
    const row = found.getRows()[0]![0]
    if (row !== null) throw refuseFile(`${path}:${Number(row) + 2}`, `no ${source}`)
  }

  /** @throws {ImportRefusedError} naming the first line whose value became null on its way */
  async #checkColumn({ path }: ImportFile, number: number, source: string, sql: string): Promise<void> {
    const raw = sqlIdentifier(source)
    const found = await this.#connection.runAndReadAll(
      `SELECT rowid, ${raw} FROM file_${number} WHERE ${raw} IS NOT NULL AND (${sql}) IS NULL ORDER BY rowid LIMIT 1`,
    )
    const [first] = found.getRows()
    if (!first) return
    const line = Number(first[0]) + 2
    throw refuseFile(
      `${path}:${line}`,
      `${source} '${String(first[1])}' is not what the column holds${zoneHint(source)}`,
    )
  }

  /** Makes the staged rows one. @throws {ImportRefusedError} naming file and line of a value that is none */
  async finish(): Promise<void> {
    for (const check of this.#checks) await check()
    await this.#connection.run(`CREATE VIEW staged AS ${this.#selects.join(' UNION ALL ')}`)
  }

  /** Where the times of the staged rows lie; `eventColumn` holds instants. */
  async timeCounts(eventColumn: string): Promise<TimeCounts> {
    const us = sqlIdentifier(eventColumn)
    const hour = 3_600_000_000
    const found = await this.#connection.runAndReadAll(
      `SELECT count(*), count(*) FILTER (${us} % ${hour} = 0 AND (${us} // ${hour}) % 24 IN (4, 5)),
              count(*) FILTER (${us} % 60000000 = 0), count(*) FILTER (${us} % ${hour} = 0) FROM staged`,
    )
    const [rows, midnight, minutes, hours] = found.getRows()[0]!.map(Number)
    return { rows: rows!, midnight: midnight!, minutes: minutes!, hours: hours! }
  }

  /** Values of the column `ticker`, in order, without null. */
  async tickers(): Promise<string[]> {
    const found = await this.#connection.runAndReadAll(
      'SELECT DISTINCT ticker FROM staged WHERE ticker IS NOT NULL ORDER BY ticker',
    )
    return found.getRows().map(([ticker]) => String(ticker))
  }

  /**
   * The rows of `dataset` of some tickers, series after series, in the order of time, of equal times in that of the
   * files.
   *
   * @param seriesOf which series each wanted ticker belongs to; rows of other tickers are left out
   */
  async *rows(
    dataset: DatasetDefinition,
    seriesOf: ReadonlyMap<string, string>,
  ): AsyncGenerator<{ readonly series: string; readonly batch: Batch }> {
    await this.#nameSeries(seriesOf)
    const event = sqlIdentifier(dataset.eventColumn)
    const columns = dataset.columns.map(({ name }) => `staged.${sqlIdentifier(name)}`)
    const result = await this.#connection.stream(
      `SELECT wanted.series AS series, ${columns.join(', ')} FROM staged JOIN wanted USING (ticker)
       ORDER BY series, ${event}, file_number, row_number`,
    )
    const shape = stagedShape(dataset)
    let builder = new BatchBuilder(shape, BATCH_ROWS)
    for await (const chunk of result) {
      if (!builder.hasRoomFor(chunk.rowCount)) {
        yield* runsOf(dataset, builder.build())
        builder = new BatchBuilder(shape, BATCH_ROWS)
      }
      builder.add(chunk)
    }
    if (builder.length > 0) yield* runsOf(dataset, builder.build())
  }

  async #nameSeries(seriesOf: ReadonlyMap<string, string>): Promise<void> {
    await this.#connection.run('CREATE OR REPLACE TABLE wanted (ticker VARCHAR, series VARCHAR)')
    const appender = await this.#connection.createAppender('wanted')
    for (const [ticker, series] of seriesOf) {
      appender.appendVarchar(ticker)
      appender.appendVarchar(series)
      appender.endRow()
    }
    appender.closeSync()
  }

  async close(): Promise<void> {
    this.#connection.closeSync()
    await this.#opened.close()
  }
}

const zoneHint = (source: string): string =>
  source.includes('time') ? '; an instant is ISO 8601 with its zone, or a count since 1970' : ''

/** DuckDB's many lines about a bad line, as one. */
function csvFault(message: string): { readonly line: string | undefined; readonly why: string } {
  const line = /CSV Error on Line: (\d+)/.exec(message)?.[1]
  const conversion = /Error when converting column "(.*)"\. (.*)/.exec(message)
  if (conversion) return { line, why: `${conversion[1]}: ${conversion[2]}` }
  if (/unterminated quote/i.test(message)) return { line, why: 'a quote that is never closed' }
  const shape = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message)
  if (shape) return { line, why: `${shape[2]} values where the header names ${shape[1]} columns` }
  const said = message
    .split('\n')
    .find((text) => text !== '' && !/^(Original Line|.*CSV Error on Line)/.test(text))
  return { line, why: said ?? message }
}

/** The dataset as staged rows have it: behind the name of the series, with counts and instants as they are staged. */
function stagedShape(dataset: DatasetDefinition): DatasetDefinition {
  const staged = (column: ColumnDefinition): ColumnDefinition => {
    if (column.type === 'timestamp') return { ...column, type: 'int64' }
    return STAGED_TYPES[column.type] === 'DOUBLE' ? { ...column, type: 'double' } : column
  }
  const series: ColumnDefinition = { name: '__series', type: 'string', nullable: false, description: '' }
  return { ...dataset, columns: [series, ...dataset.columns.map(staged)] }
}

/** Cuts a staged batch where the series changes, and gives the columns their own types again. */
function* runsOf(
  dataset: DatasetDefinition,
  staged: Batch,
): Generator<{ readonly series: string; readonly batch: Batch }> {
  const { __series: names, ...columns } = staged.columns
  const series = names as StringColumn
  const schema = dataset.columns.map(({ name, type }) => ({ name, type }))
  const whole: Batch = { dataset: dataset.name, length: staged.length, schema, columns }
  for (let from = 0; from < whole.length;) {
    let to = from + 1
    while (to < whole.length && series.codes[to] === series.codes[from]) to++
    yield { series: stringAt(series, from)!, batch: sliceBatch(whole, from, to) }
    from = to
  }
}
