import { access, constants } from 'node:fs/promises'
import { PipelineError, DiskError, messageOf } from '../../core/errors.ts'
import { asDiskError, makeFolder, onDisk } from '../durable.ts'
import { takeLock } from '../lock.ts'
import type { Journal, JournalCut, JournalOptions, JournalStats } from './contract.ts'
import { discardJournals, listJournals, type JournalFile } from './files.ts'
import { GrowingBuffer } from './growing-buffer.ts'
import { JournalWriter } from './journal-writer.ts'
import { HEADER_BYTES, MAX_PAYLOAD_BYTES } from './record.ts'

const DEFAULTS = { fsyncEveryMs: 200, maxFileBytes: 256 * 2 ** 20, maxPendingBytes: 16 * 2 ** 20 }

/**
 * Opens the journal in `folder` for this process alone, until it is closed or the process dies.
 *
 * @throws {LockedError} when another process writes there
 * @throws {DiskError} when the folder cannot be made or written
 * @throws {InterruptedError} when `signal` is aborted
 */
export async function openJournal(options: JournalOptions, signal: AbortSignal): Promise<Journal> {
  const { folder } = options
  await makeFolder(folder)
  await onDisk(folder, () => access(folder, constants.W_OK))
  const lock = await takeLock({ folder, name: 'journal', purpose: 'live recording', waitMs: 0 }, signal)
  try {
    const found = await listJournals(folder)
    const writer = new JournalWriter(folder, options.maxFileBytes ?? DEFAULTS.maxFileBytes)
    return new GroupCommitJournal({ ...DEFAULTS, ...options }, found, writer, () => lock.release())
  } catch (error) {
    await lock.release()
    throw error
  }
}

class GroupCommitJournal implements Journal {
  readonly found: readonly JournalFile[]
  readonly #options: JournalOptions & typeof DEFAULTS
  readonly #writer: JournalWriter
  readonly #release: () => Promise<void>
  /** Records that nothing has been done about yet. */
  #filling = new GrowingBuffer()
  #spare: GrowingBuffer | undefined
  /** Set while `#filling` holds records: what those who wait for them wait for. */
  #next: Deferred | undefined
  #timer: NodeJS.Timeout | undefined
  /** Work on the files is done one piece after the other; this is the last of it. */
  #last: Promise<unknown> = Promise.resolve()
  #groupsUnderWay = 0
  #bytesUnderWay = 0
  /** `#filling` is to be sealed as soon as the disk is done with the group before. */
  #isDue = false
  #failure: PipelineError | undefined
  #closed = false
  #records = 0
  #bytes = 0

  constructor(
    options: JournalOptions & typeof DEFAULTS,
    found: readonly JournalFile[],
    writer: JournalWriter,
    release: () => Promise<void>,
  ) {
    this.#options = options
    this.found = found
    this.#writer = writer
    this.#release = release
  }

  append(kind: number, receivedMs: number, payload: Buffer): boolean {
    this.#assertUsable()
    if (!(kind >= 1 && kind <= 255) || payload.length > MAX_PAYLOAD_BYTES)
      throw new PipelineError(`a journal cannot hold a record of kind ${kind} with ${payload.length} bytes`)
    this.#filling.add({ kind, receivedMs, payload })
    this.#records++
    this.#bytes += HEADER_BYTES + payload.length
    this.#schedule()
    if (this.#pending < this.#options.maxPendingBytes) return true
    this.#due()
    return false
  }

  async durable(): Promise<void> {
    if (this.#failure) throw this.#failure
    await (this.#next?.promise ?? this.#last)
  }

  sync(): Promise<void> {
    if (this.#next) this.#due()
    return this.durable()
  }

  /** What is appended while this runs already belongs to the next file. */
  async cut(): Promise<JournalCut> {
    this.#assertUsable()
    if (this.#next) this.#seal()
    const paths = await this.#inTurn(() => this.#writer.closeFile())
    return {
      paths,
      discard: async () => {
        await discardJournals(paths)
        this.#writer.forget(paths)
      },
    }
  }

  stats(): JournalStats {
    return {
      records: this.#records,
      bytes: this.#bytes,
      fsyncs: this.#writer.fsyncs,
      pendingBytes: this.#pending,
      files: this.#writer.files,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      await this.sync()
    } finally {
      clearTimeout(this.#timer)
      await this.#writer.closeFile().catch(() => undefined) // everything in it was synced or reported
      await this.#release()
    }
  }

  get #pending(): number {
    return this.#filling.length + this.#bytesUnderWay
  }

  #assertUsable(): void {
    if (this.#failure) throw this.#failure
    if (this.#closed) throw new PipelineError('the journal is closed')
  }

  /** Sees to it that what is in `#filling` is committed within the interval. */
  #schedule(): void {
    if (this.#next) return
    this.#next = defer()
    this.#timer = setTimeout(() => this.#due(), this.#options.fsyncEveryMs)
  }

  /** A disk slower than the interval gets larger groups, not more of them. */
  #due(): void {
    if (this.#groupsUnderWay > 0) this.#isDue = true
    else this.#seal()
  }

  /** Closes the group that is being filled and hands it to the disk. */
  #seal(): void {
    clearTimeout(this.#timer)
    this.#isDue = false
    const group = this.#filling
    this.#filling = this.#spare ?? new GrowingBuffer()
    this.#spare = undefined
    this.#groupsUnderWay++
    this.#bytesUnderWay += group.length
    const next = this.#next
    this.#next = undefined
    const done = this.#inTurn(() => this.#writer.commit(group.bytes)).finally(() => this.#settle(group))
    done.catch(() => undefined) // the failure is told by append, durable, close and onFailure
    next?.resolve(done)
  }

  #settle(group: GrowingBuffer): void {
    this.#groupsUnderWay--
    this.#bytesUnderWay -= group.length
    group.clear()
    this.#spare = group
    if (this.#isDue && this.#next && this.#groupsUnderWay === 0) this.#seal()
  }

  /** Runs `work` on the files after everything before it; after a failure nothing runs any more. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      try {
        return await work()
      } catch (error) {
        throw this.#fail(error)
      }
    })
    done.catch(() => undefined)
    this.#last = done
    return done
  }

  #fail(error: unknown): PipelineError {
    if (this.#failure) return this.#failure
    const known = asDiskError(error, this.#options.folder)
    this.#failure =
      known instanceof PipelineError
        ? known
        : new DiskError(`cannot write the journal in ${this.#options.folder}: ${messageOf(error)}`, {
            cause: error,
          })
    this.#options.onFailure?.(this.#failure)
    return this.#failure
  }
}

interface Deferred {
  readonly promise: Promise<void>
  /** Makes the promise end as `end` does. */
  readonly resolve: (end: Promise<void>) => void
}

function defer(): Deferred {
  let resolve = (_end: Promise<void>): void => undefined
  const promise = new Promise<void>((settle) => (resolve = settle))
  promise.catch(() => undefined) // nobody need wait for it
  return { promise, resolve }
}
