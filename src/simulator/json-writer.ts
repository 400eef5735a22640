const COMMA = 0x2c
const ZERO = 0x30
const MAX_INT32 = 0x7fffffff
const SCALES = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000] as const

/**
 * Writes JSON straight into bytes. Pages of 50,000 rows are the simulator's daily bread, and going
 * through row objects and strings would cost more than making the data.
 */
export class JsonWriter {
  private buffer: Buffer
  private at = 0

  /** Room for `capacity` bytes to begin with; it grows. */
  constructor(capacity = 1 << 16) {
    this.buffer = Buffer.allocUnsafe(capacity)
  }

  /** ASCII text as it is: punctuation, names, what is already JSON. */
  raw(text: string): this {
    const length = text.length
    this.reserve(length)
    const { buffer, at } = this
    for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i)
    this.at = at + length
    return this
  }

  /** Bytes that are JSON already. */
  bytes(more: Buffer): this {
    this.reserve(more.length)
    this.at += more.copy(this.buffer, this.at)
    return this
  }

  /** Any value, through JSON.stringify. */
  value(value: unknown): this {
    const text = JSON.stringify(value)
    this.reserve(text.length * 3)
    this.at += this.buffer.write(text, this.at)
    return this
  }

  /** A whole number from 0 to 2^53. */
  int(value: number): this {
    this.reserve(20)
    this.digits(value)
    return this
  }

  /** `units / 10^places` as the shortest decimal; `units` is whole and not negative, `places` at most 6. */
  decimal(units: number, places: number): this {
    this.reserve(32)
    const scale = SCALES[places]!
    const whole = Math.floor(units / scale)
    let rest = (units - whole * scale) | 0
    this.digits(whole)
    if (rest === 0) return this
    let digits = places
    for (let next = (rest / 10) | 0; next * 10 === rest; next = (rest / 10) | 0) {
      rest = next
      digits--
    }
    this.buffer[this.at++] = 0x2e
    this.padded(rest, digits)
    return this
  }

  /** An instant in nanoseconds, exact: whole milliseconds since the epoch and 0–999,999 ns beyond. */
  nanoseconds(ms: number, beyondNs: number): this {
    this.reserve(24)
    this.digits(ms)
    this.padded(beyondNs, 6)
    return this
  }

  /** Drops a comma just written: the one after the last element. */
  dropComma(): this {
    if (this.at > 0 && this.buffer[this.at - 1] === COMMA) this.at--
    return this
  }

  /** What was written; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.at)
  }

  private digits(value: number): void {
    if (value > MAX_INT32) {
      const high = Math.floor(value / 1_000_000)
      this.digits(high)
      this.padded(value - high * 1_000_000, 6)
      return
    }
    let length = 1
    for (let limit = 10; limit <= value && length < 10; limit *= 10) length++
    this.padded(value, length)
  }

  /** `length` digits of a whole number below 2^31, with leading zeros. */
  private padded(value: number, length: number): void {
    const buffer = this.buffer
    const start = this.at
    let rest = value | 0
    for (let i = start + length - 1; i >= start; i--) {
      const next = (rest / 10) | 0
      buffer[i] = ZERO + (rest - next * 10)
      rest = next
    }
    this.at = start + length
  }

  private reserve(more: number): void {
    if (this.at + more <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + more))
    this.buffer.copy(grown, 0, 0, this.at)
    this.buffer = grown
  }
}
