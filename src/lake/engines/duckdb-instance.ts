import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type * as DuckDb from '@duckdb/node-api'

export type DuckDbModule = typeof DuckDb

/** How much of the machine DuckDB may use. */
export interface DuckDbOptions {
  /** Above this, tables and sorts spill into `tempDirectory`. Default 1024. */
  readonly memoryLimitMb?: number
  /** Worker threads. Default: one per core. */
  readonly threads?: number
  /** Where spilled data goes: a folder of its own is made inside when needed, and removed on close. */
  readonly tempDirectory: string
}

/** An open in-memory DuckDB; all its connections are in UTC. */
export interface DuckDbInstance {
  readonly duckdb: DuckDbModule
  readonly instance: DuckDb.DuckDBInstance
  /** Gives memory that is free but still held back to the system. */
  trim(): Promise<void>
  close(): Promise<void>
}

const DEFAULT_MEMORY_MB = 1024
let opened = 0

/** Opens an in-memory DuckDB that stays offline and within `options`. The binding is loaded here, on first use. */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDbInstance> {
  const duckdb = await import('@duckdb/node-api')
  await mkdir(options.tempDirectory, { recursive: true }).catch(() => undefined) // readers need it only to spill
  const spillFolder = join(options.tempDirectory, `duckdb-${process.pid}-${++opened}`)
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    enable_external_file_cache: 'false', // it mixes old and new bytes of a path that is rewritten within a second
    memory_limit: `${options.memoryLimitMb ?? DEFAULT_MEMORY_MB}MiB`,
    temp_directory: spillFolder,
    ...(options.threads === undefined ? {} : { threads: String(options.threads) }),
  })
  const connection = await instance.connect()
  await connection.run(`SET GLOBAL TimeZone = 'UTC'`)
  connection.closeSync()
  return { duckdb, instance, trim: () => trim(instance), close: () => closeDuckDb(instance, spillFolder) }
}

/**
 * DuckDB trims the process's heap, JavaScript's buffers included, when something larger than this setting is
 * allocated: by default 512 MB, and nothing here is. Set low for a moment, any table does it.
 */
async function trim(instance: DuckDb.DuckDBInstance): Promise<void> {
  const connection = await instance.connect()
  const setting = 'GLOBAL allocator_bulk_deallocation_flush_threshold'
  try {
    await connection.run(`SET ${setting} = '1KiB'`)
    await connection.run('CREATE OR REPLACE TEMP TABLE trimmed AS SELECT 1 AS one')
  } finally {
    await connection.run(`RESET ${setting}`)
    connection.closeSync()
  }
}

async function closeDuckDb(instance: DuckDb.DuckDBInstance, spillFolder: string): Promise<void> {
  instance.closeSync()
  await rm(spillFolder, { recursive: true, force: true }).catch(() => undefined)
}
