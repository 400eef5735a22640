import { access, constants, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadedConfig } from '../core/config/index.ts'
import { openLake } from '../lake/index.ts'
import { dataPaths } from '../lake/layout.ts'
import { openReader, type QueryResult } from '../lake/reader/index.ts'

/** The lake, open for SQL. */
export interface OpenedReader {
  query(sql: string, signal: AbortSignal): Promise<QueryResult>
  /** DuckDB's syntax tree of a statement; undefined where it has none. */
  syntaxTree(sql: string): Promise<unknown>
  close(): Promise<void>
}

/**
 * Opens the lake of `config` for SQL. Works on a lake that this user may only read, too: what does not
 * fit into memory is then spilled below the system's temporary folder.
 *
 * @param asOf the instant whose lake is meant, ISO 8601 UTC; default: as it is
 * @throws {LakeMismatchError} when a newer tapelake made it
 * @throws {LakeError} when versions of `asOf` are not kept any more
 */
export async function openLakeReader(
  { settings, dataDir }: LoadedConfig,
  asOf?: string,
): Promise<OpenedReader> {
  const { memoryLimitMb, threads } = settings.query
  const lake = await openLake(dataDir)
  try {
    const views = await lake.files({ asOf })
    const scratch = await scratchFolder(dataDir)
    const options = { views, tempDirectory: scratch.path, memoryLimitMb, ...(threads > 0 && { threads }) }
    const reader = await openReader(options)
    return {
      query: (sql, signal) => reader.query(sql, signal),
      syntaxTree: (sql) => reader.syntaxTree(sql),
      async close() {
        await reader.close()
        await scratch.remove()
      },
    }
  } finally {
    await lake.close()
  }
}

async function scratchFolder(dataDir: string): Promise<{ path: string; remove: () => Promise<void> }> {
  try {
    await access(dataDir, constants.W_OK)
    return { path: dataPaths(dataDir).scratch, remove: async () => undefined }
  } catch {
    const path = await mkdtemp(join(tmpdir(), 'tapelake-query-'))
    return { path, remove: () => rm(path, { recursive: true, force: true }) }
  }
}
