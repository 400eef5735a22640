/** Bytes that grow at their end; used again after {@link ByteWriter.reset}. All numbers are little-endian. */
export class ByteWriter {
  #bytes: Uint8Array
  #at = 0

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#at
  }

  /** What was written, valid until the next write. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  reset(): this {
    this.#at = 0
    return this
  }

  /** Forgets what was written from `length` on. */
  truncate(length: number): void {
    this.#at = length
  }

  /** Room for `length` bytes at the end, which count as written; to be filled by the caller before anything else. */
  extend(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length))
      grown.set(this.written)
      this.#bytes = grown
    }
    const room = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return room
  }

  byte(value: number): void {
    if (this.#at === this.#bytes.length) {
      this.extend(1)
      this.#at--
    }
    this.#bytes[this.#at++] = value
  }

  bytes(values: Uint8Array): void {
    this.extend(values.length).set(values)
  }

  uint32(value: number): void {
    this.byte(value)
    this.byte(value >>> 8)
    this.byte(value >>> 16)
    this.byte(value >>> 24)
  }

  /** Replaces the four bytes at `at`. */
  setUint32(at: number, value: number): void {
    new DataView(this.#bytes.buffer).setUint32(at, value, true)
  }

  /** Unsigned LEB128 of a whole number from 0 to 2^53. */
  varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.byte((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    this.byte(rest)
  }

  /** A whole number within ±2^52. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value)
  }
}
