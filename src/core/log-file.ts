import { closeSync, fstatSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError, messageOf } from './errors.ts'

export interface LogFileOptions {
  readonly path: string
  /** The file is put aside as `path.1` before it grows beyond this; 0: never. */
  readonly maxBytes: number
  /** Files put aside that are kept, `path.1` the newest. */
  readonly keep: number
}

/** How often it is looked whether another process has put the file aside. */
const LOOK_MS = 1000

/**
 * A log file that is put aside when it is full. Every line is written at once and whole, so that none is lost when the
 * process dies, and several processes may share one file.
 */
export class LogFile {
  readonly #options: LogFileOptions
  #fd: number
  #bytes = 0
  #lookedMs = 0

  /** @throws {ConfigError} when it cannot be opened */
  constructor(options: LogFileOptions) {
    this.#options = options
    try {
      mkdirSync(dirname(options.path), { recursive: true })
      this.#fd = this.#open()
    } catch (cause) {
      throw new ConfigError(`logging.file: cannot write ${options.path}: ${messageOf(cause)}`, { cause })
    }
  }

  /** Appends one line. A full disk loses the line, not the run. */
  write(line: string): void {
    try {
      const bytes = Buffer.from(line)
      this.#turn(bytes.length)
      writeSync(this.#fd, bytes)
      this.#bytes += bytes.length
    } catch {
      // there is nowhere to tell it
    }
  }

  #open(): number {
    const fd = openSync(this.#options.path, 'a')
    this.#bytes = fstatSync(fd).size
    this.#lookedMs = performance.now()
    return fd
  }

  #turn(more: number): void {
    const { maxBytes } = this.#options
    if (maxBytes === 0) return
    const isFull = this.#bytes > 0 && this.#bytes + more > maxBytes
    if (!isFull && performance.now() - this.#lookedMs < LOOK_MS) return
    if (this.#isStillMine() && isFull) this.#putAside()
    else if (this.#isStillMine()) return void (this.#bytes = fstatSync(this.#fd).size)
    closeSync(this.#fd)
    this.#fd = this.#open()
  }

  /** Whether the name still leads to the open file: no other process has put it aside. */
  #isStillMine(): boolean {
    this.#lookedMs = performance.now()
    const mine = fstatSync(this.#fd)
    const named = statSync(this.#options.path, { throwIfNoEntry: false })
    return named?.ino === mine.ino && named.dev === mine.dev
  }

  #putAside(): void {
    const { path, keep } = this.#options
    for (let i = keep; i > 0; i--) {
      const from = i === 1 ? path : `${path}.${i - 1}`
      if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${path}.${i}`)
    }
  }
}
