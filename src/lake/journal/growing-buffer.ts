import { encodeRecord, HEADER_BYTES, type JournalRecord } from './record.ts'

const FIRST_BYTES = 64 * 1024
/** A buffer that grew beyond this in a burst is let go afterwards. */
const KEPT_BYTES = 32 * 2 ** 20

/** Encoded records, one behind the other, in memory that is used again. */
export class GrowingBuffer {
  #memory = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was added; valid until `clear`. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  add(record: JournalRecord): void {
    const needed = this.#length + HEADER_BYTES + record.payload.length
    if (needed > this.#memory.length) this.#grow(needed)
    this.#length = encodeRecord(this.#memory, this.#length, record)
  }

  clear(): void {
    this.#length = 0
    if (this.#memory.length > KEPT_BYTES) this.#memory = Buffer.allocUnsafe(FIRST_BYTES)
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#memory.length * 2))
    this.#memory.copy(grown, 0, 0, this.#length)
    this.#memory = grown
  }
}
