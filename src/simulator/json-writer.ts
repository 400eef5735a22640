const COMMA = 0x2c
const ZERO = 0x30

/**
 * Writes JSON straight into bytes. Pages of 50,000 rows are the simulator's daily bread, and going
 * through row objects and strings would cost more than making the data.
 */
export class JsonWriter {
  private buffer = Buffer.allocUnsafe(1 << 16)
  private at = 0

  /** ASCII text as it is: punctuation, names, what is already JSON. */
  raw(text: string): this {
    this.reserve(text.length)
    for (let i = 0; i < text.length; i++) this.buffer[this.at++] = text.charCodeAt(i)
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

  /** A whole number within ±2^53. */
  int(value: number): this {
    this.reserve(20)
    this.digits(value)
    return this
  }

  /** `units / 10^places` as the shortest decimal; `units` is whole and not negative. */
  decimal(units: number, places: number): this {
    this.reserve(32)
    const scale = 10 ** places
    const whole = Math.floor(units / scale)
    let rest = units - whole * scale
    this.digits(whole)
    if (rest === 0) return this
    while (rest % 10 === 0) {
      rest /= 10
      places--
    }
    this.buffer[this.at++] = 0x2e
    this.padded(rest, places)
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
    if (value < 0) {
      this.buffer[this.at++] = 0x2d
      value = -value
    }
    let length = 1
    for (let limit = 10; value >= limit; limit *= 10) length++
    this.padded(value, length)
  }

  private padded(value: number, length: number): void {
    const bytes = this.buffer
    let end = this.at + length
    this.at = end
    while (value > 0x7fffffff) {
      const next = Math.floor(value / 10)
      bytes[--end] = ZERO + (value - next * 10)
      value = next
      length--
    }
    let small = value | 0
    while (length-- > 0) {
      const next = (small / 10) | 0
      bytes[--end] = ZERO + (small - next * 10)
      small = next
    }
  }

  private reserve(more: number): void {
    if (this.at + more <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + more))
    this.buffer.copy(grown, 0, 0, this.at)
    this.buffer = grown
  }
}
