import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { fsyncFolder } from '../durable.ts'
import { journalName } from './files.ts'
import { MAGIC } from './record.ts'

/** Writes groups of records to files, one after the other; never two calls at a time. */
export class JournalWriter {
  readonly #folder: string
  readonly #maxFileBytes: number
  #file: FileHandle | undefined
  #size = 0
  #opened = 0
  /** Files not yet discarded, oldest first; the last is the open one, if one is open. */
  #paths: string[] = []
  #fsyncs = 0

  constructor(folder: string, maxFileBytes: number) {
    this.#folder = folder
    this.#maxFileBytes = maxFileBytes
  }

  get fsyncs(): number {
    return this.#fsyncs
  }

  get files(): number {
    return this.#paths.length
  }

  /** Puts `group` on the disk: when this resolves, it is there. */
  async commit(group: Buffer): Promise<void> {
    const file = this.#file ?? (await this.#openFile())
    await writeAll(file, group)
    await file.datasync() // flushes the file's length too, which is all of its metadata that reading needs
    this.#fsyncs++
    this.#size += group.length
    if (this.#size >= this.#maxFileBytes) await this.closeFile()
  }

  /** Ends the open file; the next commit begins another. Returns all files not yet discarded. */
  async closeFile(): Promise<readonly string[]> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
    return [...this.#paths]
  }

  /** These were deleted. */
  forget(paths: readonly string[]): void {
    this.#paths = this.#paths.filter((path) => !paths.includes(path))
  }

  /** A file that exists already was made by nobody else (the folder is locked): it is an error, never overwritten. */
  async #openFile(): Promise<FileHandle> {
    const path = join(this.#folder, journalName(Date.now(), ++this.#opened))
    const file = await open(path, 'wx')
    this.#file = file
    this.#paths.push(path)
    this.#size = MAGIC.length
    await writeAll(file, MAGIC)
    await fsyncFolder(this.#folder)
    return file
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at)
    at += bytesWritten
  }
}
