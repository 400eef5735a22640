import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api'
import { abortError, throwIfAborted } from '../../core/abort.ts'
import { readError } from '../engines/duckdb-errors.ts'
import { openDuckDb, type DuckDbInstance, type DuckDbOptions } from '../engines/duckdb-instance.ts'
import { sqlPaths, sqlString } from '../engines/sql-text.ts'
import { columnsOf, type QueryResult } from './result.ts'
import { prepareRead, sqlError, type StatementContext } from './statement.ts'
import { filesOf, viewStatement, type LakeView } from './views.ts'

export interface ReaderOptions extends DuckDbOptions {
  /** One view per dataset. */
  readonly views: readonly LakeView[]
}

let opened = 0

/**
 * Opens the lake for SQL: a view per dataset over exactly the files given, and nothing else. No query can write,
 * change a setting, or touch another file.
 */
export async function openReader(options: ReaderOptions): Promise<LakeReader> {
  const folder = join(options.tempDirectory, `query-${process.pid}-${++opened}`)
  const open = await openDuckDb(options)
  try {
    await mkdir(folder, { recursive: true })
    const connection = await open.instance.connect()
    for (const view of options.views) await createView(connection, view)
    const files = options.views.flatMap(filesOf)
    await connection.run(`SET allowed_paths = ${sqlPaths(files)}`)
    await connection.run(`SET allowed_directories = [${sqlString(folder)}]`)
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    connection.closeSync()
  } catch (error) {
    await open.close()
    throw error
  }
  return new LakeReader(open, folder, options.views)
}

async function createView(connection: DuckDBConnection, view: LakeView): Promise<void> {
  try {
    await connection.run(viewStatement(view))
  } catch (error) {
    throw readError(error, filesOf(view))
  }
}

/** An open lake. Queries may run at the same time. */
export class LakeReader {
  readonly views: readonly LakeView[]
  readonly #open: DuckDbInstance
  readonly #folder: string
  #temporary = 0

  /** Use {@link openReader}. @param folder where temporary files of results go; removed on close */
  constructor(open: DuckDbInstance, folder: string, views: readonly LakeView[]) {
    this.#open = open
    this.#folder = folder
    this.views = views
  }

  /**
   * Starts the one statement `sql`; the rows come as the result is read. Read it to its end, or close it.
   *
   * @throws {UsageError} when it is not exactly one statement that reads, or DuckDB refuses it
   * @throws {InterruptedError} soon after `signal` aborts, here and while the result is read
   */
  async query(sql: string, signal: AbortSignal = new AbortController().signal): Promise<QueryResult> {
    throwIfAborted(signal)
    const connection = await this.#open.instance.connect()
    const context = { duckdb: this.#open.duckdb, connection, views: this.views }
    const running = new RunningQuery(context, sql, signal)
    try {
      const result = await running.guard(async () => await (await prepareRead(context, sql)).stream())
      return this.#result(running, result, connection)
    } catch (error) {
      running.close()
      throw error
    }
  }

  /** DuckDB's own syntax tree of the statement `sql`; undefined where it has none, or is no whole SELECT. */
  async syntaxTree(sql: string): Promise<unknown> {
    const connection = await this.#open.instance.connect()
    try {
      const asked = `SELECT json_serialize_sql(${sqlString(withoutSemicolon(sql))})`
      const [row] = (await connection.runAndReadAll(asked)).getRows()
      const tree = JSON.parse(String(row?.[0])) as { readonly error?: boolean }
      return tree.error === false ? tree : undefined
    } finally {
      connection.closeSync()
    }
  }

  #result(running: RunningQuery, result: DuckDBResult, connection: DuckDBConnection): QueryResult {
    return {
      sql: running.sql,
      columns: columnsOf(result),
      chunks: () => running.chunks(result),
      copyToParquet: async (path) => {
        const copy = `COPY (${withoutSemicolon(running.sql)}\n) TO ${sqlString(path)} (FORMAT parquet, COMPRESSION zstd)`
        await running.guard(async () => await connection.run(copy))
      },
      temporaryPath: () => join(this.#folder, `result-${++this.#temporary}.tmp`),
      close: () => running.close(),
    }
  }

  async close(): Promise<void> {
    await this.#open.close()
    await rm(this.#folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

const withoutSemicolon = (sql: string): string => sql.replace(/;\s*$/, '')

/** A query under way: it stops when its signal aborts, and gives its connection back once. */
class RunningQuery {
  readonly sql: string
  readonly #context: StatementContext
  readonly #signal: AbortSignal
  #closed = false

  constructor(context: StatementContext, sql: string, signal: AbortSignal) {
    this.sql = sql
    this.#context = context
    this.#signal = signal
    signal.addEventListener('abort', this.#interrupt, { once: true })
  }

  readonly #interrupt = (): void => {
    if (!this.#closed) this.#context.connection.interrupt()
  }

  /** Runs `work`; its failure becomes a UsageError, or the reason of the abort. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (this.#signal.aborted) throw abortError(this.#signal)
      throw sqlError(this.#context, this.sql, error)
    }
  }

  async *chunks(result: DuckDBResult): AsyncIterable<DuckDBDataChunk> {
    try {
      for (;;) {
        throwIfAborted(this.#signal)
        const chunk = await this.guard(() => result.fetchChunk())
        if (!chunk || chunk.rowCount === 0) return
        yield chunk
      }
    } finally {
      this.close()
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#signal.removeEventListener('abort', this.#interrupt)
    this.#context.connection.closeSync()
  }
}
