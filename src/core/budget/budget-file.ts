import { rmSync, statSync } from 'node:fs'
import type { Database } from 'libsql'
import { sleep } from '../abort.ts'
import { DiskError, messageOf } from '../errors.ts'

export interface BudgetFileOptions {
  readonly path: string
  /** Makes the tables, where they are missing, and puts right what another start of the machine left. */
  readonly prepare: (database: Database) => void
  /** Called inside the first transaction after the file was lost or had to be thrown away. */
  readonly onLost: (database: Database) => void
}

const BUSY_MS = { least: 1, most: 4 }
const REBUILDS = 3
const NEVER = new AbortController().signal

/**
 * A small SQLite file that many processes change in turn. It survives the death of any of them at any instant; one
 * that is damaged, or that somebody removed, is made anew.
 */
export class BudgetFile {
  readonly #options: BudgetFileOptions
  readonly #Database: new (path: string) => Database
  #database: Database | undefined
  #inode: bigint | undefined
  #lost = false

  private constructor(options: BudgetFileOptions, Libsql: new (path: string) => Database) {
    this.#options = options
    this.#Database = Libsql
  }

  /** @throws {DiskError} when it can neither be opened nor be made anew */
  static async open(options: BudgetFileOptions): Promise<BudgetFile> {
    const { default: Libsql } = await import('libsql')
    const file = new BudgetFile(options, Libsql)
    await file.change(() => undefined)
    return file
  }

  /**
   * The result of `work`, done as one transaction while nobody else changes anything: all of it or nothing. The
   * event loop is free while others are at it.
   *
   * @throws {DiskError} when the file cannot be used
   */
  async change<T>(work: (database: Database) => T): Promise<T> {
    for (let rebuilds = 0; ;) {
      try {
        return this.#transact(work)
      } catch (error) {
        const kind = kindOf(error)
        if (kind === 'busy') {
          await sleep(BUSY_MS.least + Math.random() * (BUSY_MS.most - BUSY_MS.least), NEVER)
        } else if (kind === 'damaged' && rebuilds < REBUILDS) {
          rebuilds++
          this.#throwAway()
        } else throw this.#failure(error)
      }
    }
  }

  /** The result of `work`, which only reads; undefined where the file cannot be read now. */
  look<T>(work: (database: Database) => T): T | undefined {
    try {
      return this.#database && work(this.#database)
    } catch {
      return undefined
    }
  }

  close(): void {
    const database = this.#database
    this.#database = undefined
    try {
      database?.close()
    } catch {
      // it is no use any more, whatever the reason
    }
  }

  #transact<T>(work: (database: Database) => T): T {
    const database = (this.#database ??= this.#connect())
    database.exec('BEGIN IMMEDIATE')
    try {
      if (inodeOf(this.#options.path) !== this.#inode) throw new LostError()
      if (this.#lost) this.#options.onLost(database)
      const result = work(database)
      database.exec('COMMIT')
      this.#lost = false
      return result
    } catch (error) {
      rollBack(database)
      throw error
    }
  }

  #connect(): Database {
    const { path, prepare } = this.#options
    const database = new this.#Database(path)
    try {
      // What the operating system has, a killed process cannot take away: only a power cut could, and then the
      // window is long over.
      database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN IMMEDIATE')
      prepare(database)
      database.exec('COMMIT')
      this.#inode = inodeOf(path)
      return database
    } catch (error) {
      rollBack(database)
      database.close()
      throw error
    }
  }

  /** Makes room for a new file, unless another process has already made one. */
  #throwAway(): void {
    const { path } = this.#options
    const known = this.#inode
    this.close()
    this.#inode = undefined
    this.#lost = true
    if (known !== undefined && inodeOf(path) !== known) return
    try {
      for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true })
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #failure(error: unknown): DiskError {
    this.close()
    return new DiskError(`the call budget ${this.#options.path} cannot be used: ${messageOf(error)}`, {
      cause: error,
      hint: 'The folder must be writable; TAPELAKE_RUNTIME_DIR names another one.',
    })
  }
}

/** The file at the path is not the one that is open. */
class LostError extends Error {}

function kindOf(error: unknown): 'busy' | 'damaged' | 'other' {
  if (error instanceof LostError) return 'damaged'
  const { code = '' } = error as { code?: string }
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return 'busy'
  if (/^SQLITE_(CORRUPT|NOTADB|CANTOPEN|IOERR_SHORT_READ)/.test(code)) return 'damaged'
  return /no such (table|column)|malformed|not a database|has no column/.test(messageOf(error))
    ? 'damaged'
    : 'other'
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}

function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // there was no transaction
  }
}
