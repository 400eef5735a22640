import { open, type FileHandle } from 'node:fs/promises'
import { onDisk } from '../durable.ts'
import { decodeRecord, HEADER_BYTES, MAGIC, type JournalRecord } from './record.ts'

/** What a journal holds behind its last good record. */
export interface JournalTail {
  /** Length of the good part, bytes. */
  readonly validBytes: number
  /** Bytes behind it, which cannot be read; 0 = the journal is whole. */
  readonly lostBytes: number
  /**
   * `torn`: the writer died in the middle of a record, as it may (what is torn never counted as received).
   * `corrupt`: bytes were changed after they were written; records that did count may be lost.
   */
  readonly state: 'whole' | 'torn' | 'corrupt'
}

export interface ReadJournalOptions {
  /** Called once, after the last record was taken. */
  readonly onTail?: (tail: JournalTail) => void
}

const CHUNK_BYTES = 1 << 20

/**
 * The records of the journal at `path`, in order, up to the first that is torn or corrupt. An empty file and one
 * whose beginning is not a journal's have no records. Memory: a chunk and the longest record.
 *
 * @throws {DiskError} when the operating system refuses to read it; what it says when the file is not there
 */
export async function* readJournal(
  path: string,
  { onTail }: ReadJournalOptions = {},
): AsyncGenerator<JournalRecord, void, undefined> {
  const file = await onDisk(path, () => open(path, 'r'))
  try {
    const { size } = await file.stat()
    const reader = new Reader(file, path)
    const good = yield* recordsOf(reader)
    onTail?.({ validBytes: good, lostBytes: size - good, state: await judge(reader, size - good) })
  } finally {
    await file.close()
  }
}

/** Yields the good records and returns the length of the good part. */
async function* recordsOf(reader: Reader): AsyncGenerator<JournalRecord, number, undefined> {
  if (!(await reader.startsWith(MAGIC))) return 0
  for (;;) {
    const record = decodeRecord(reader.bytes, reader.at)
    if (record === 'bad') return reader.offset
    if (record === 'incomplete') {
      if (!(await reader.more())) return reader.offset
      continue
    }
    reader.at += record.payload.length + HEADER_BYTES
    yield record
  }
}

/**
 * Only the last write can be torn. It leaves the beginning of a record, or (where the file system had made room
 * before it wrote) zeros.
 */
async function judge(reader: Reader, lostBytes: number): Promise<JournalTail['state']> {
  if (lostBytes === 0) return 'whole'
  const isHeader = reader.offset === 0 && lostBytes < MAGIC.length
  if (isHeader)
    return MAGIC.subarray(0, lostBytes).equals(reader.bytes) || reader.isZero() ? 'torn' : 'corrupt'
  if (reader.offset > 0 && decodeRecord(reader.bytes, reader.at) === 'incomplete') return 'torn'
  while (reader.isZero()) if (!(await reader.more())) return 'torn'
  return 'corrupt'
}

/** The bytes of a file from `at` on, more on demand. */
class Reader {
  bytes = Buffer.alloc(0)
  /** Place of the next record in `bytes`. */
  at = 0
  /** Place of `bytes` in the file. */
  #base = 0
  readonly #file: FileHandle
  readonly #path: string

  constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  /** Place of the next record in the file. */
  get offset(): number {
    return this.#base + this.at
  }

  /** Reads further, keeping what begins at `at`; false at the end of the file. */
  async more(): Promise<boolean> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    const from = this.#base + this.bytes.length
    const { bytesRead } = await onDisk(this.#path, () => this.#file.read(chunk, 0, CHUNK_BYTES, from))
    if (bytesRead === 0) return false
    this.bytes = Buffer.concat([this.bytes.subarray(this.at), chunk.subarray(0, bytesRead)])
    this.#base += this.at
    this.at = 0
    return true
  }

  async startsWith(magic: Buffer): Promise<boolean> {
    while (this.bytes.length < magic.length) if (!(await this.more())) return false
    if (!this.bytes.subarray(0, magic.length).equals(magic)) return false
    this.at = magic.length
    return true
  }

  /** Whether everything from `at` on, as far as it was read, is zero. */
  isZero(): boolean {
    return this.bytes.subarray(this.at).every((byte) => byte === 0)
  }
}
