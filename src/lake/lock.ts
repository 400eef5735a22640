import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Database } from 'libsql'
import { z } from 'zod'
import { sleep, throwIfAborted } from '../core/abort.ts'
import { DiskError, LockedError, messageOf } from '../core/errors.ts'
import { makeFolder } from './durable.ts'

/** A lock held by this process until `release`, or until the process dies, however it dies. */
export interface Lock {
  release(): Promise<void>
}

export interface LockOptions {
  /** Folder of the lock files; made if it is missing. */
  readonly folder: string
  /** What is locked, as path components below `folder`, e.g. `equity_bars_1m/SPY`. */
  readonly name: string
  /** Shown to whoever is refused, e.g. `backfill of SPY equity_bars_1m`. */
  readonly purpose: string
  /** How long to wait for another holder, in milliseconds; 0 refuses at once. */
  readonly waitMs: number
}

const POLL_MS = 100

/**
 * Takes the lock called `name`. It is an exclusive transaction on an SQLite file: the operating system drops
 * it with the process, so nothing stale is ever left to judge or to remove.
 *
 * @throws {LockedError} naming the holder, when it is still held after `waitMs`
 * @throws {InterruptedError} as soon as `signal` aborts
 */
export async function takeLock(options: LockOptions, signal: AbortSignal): Promise<Lock> {
  throwIfAborted(signal)
  const path = join(options.folder, `${options.name}.lock`)
  await makeFolder(dirname(path))
  const { default: LibsqlDatabase } = await import('libsql')
  const deadlineMs = Date.now() + options.waitMs
  for (;;) {
    const database = tryLock(path, LibsqlDatabase)
    if (database) return await holding(path, database, options.purpose)
    if (Date.now() >= deadlineMs) throw await refusal(path, options)
    await sleep(POLL_MS, signal)
  }
}

function tryLock(path: string, LibsqlDatabase: new (path: string) => Database): Database | undefined {
  let database: Database | undefined
  try {
    database = new LibsqlDatabase(path)
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return undefined
    throw new DiskError(`cannot lock ${path}: ${messageOf(error)}`, {
      cause: error,
      hint: 'The data directory must be writable; choose another with --data-dir.',
    })
  }
}

async function holding(path: string, database: Database, purpose: string): Promise<Lock> {
  const holder = { pid: process.pid, since: new Date().toISOString(), purpose }
  await writeFile(`${path}.holder`, JSON.stringify(holder)).catch(() => undefined) // only for messages
  return {
    async release() {
      await rm(`${path}.holder`, { force: true }).catch(() => undefined)
      database.close()
    },
  }
}

async function refusal(path: string, { name, waitMs }: LockOptions): Promise<LockedError> {
  const holder = await readHolder(path)
  const who = holder ? `process ${holder.pid} (${holder.purpose}, since ${holder.since})` : 'another process'
  const waited = waitMs > 0 ? ` after waiting ${Math.round(waitMs / 1000)} s` : ''
  return new LockedError(`${name} is being written by ${who}${waited}`, {
    hint: 'Let it finish, or wait for it with --wait SECONDS.',
  })
}

const holderSchema = z.object({ pid: z.int(), since: z.string(), purpose: z.string() })

/** Who holds the lock, unless its note is not there yet or half written. */
async function readHolder(path: string): Promise<z.infer<typeof holderSchema> | undefined> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(`${path}.holder`, 'utf8')))
  } catch {
    return undefined
  }
}
