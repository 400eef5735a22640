/** What is wrong with a document, and at which byte if that helps. */
export class WireError extends Error {
  readonly offset: number | undefined

  constructor(message: string, offset?: number) {
    super(offset === undefined ? message : `${message} at byte ${offset}`)
    this.name = 'WireError'
    this.offset = offset
  }
}

export const BYTE = {
  quote: 0x22,
  comma: 0x2c,
  minus: 0x2d,
  dot: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
  e: 0x65,
  f: 0x66,
  n: 0x6e,
  t: 0x74,
} as const

const LITERALS = { true: Buffer.from('true'), false: Buffer.from('false'), null: Buffer.from('null') }
/** Up to here powers of ten are exact doubles. */
export const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
/** Deeper documents than this are refused instead of running out of stack. */
const MAX_DEPTH = 200
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'))

export const isDigit = (byte: number | undefined): boolean => byte! >= BYTE.zero && byte! <= BYTE.nine

/**
 * A place in a JSON document, moving forward value by value over its bytes (RFC 8259, strictly).
 * Every method throws {@link WireError} where the document breaks the grammar or ends too early.
 */
export class JsonCursor {
  readonly bytes: Buffer
  pos = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** The byte at the cursor; undefined at the end. */
  peek(): number | undefined {
    return this.bytes[this.pos]
  }

  fail(expected: string): never {
    const found =
      this.pos < this.bytes.length ? `expected ${expected}` : `ended where ${expected} was expected`
    throw new WireError(found, this.pos)
  }

  skipSpace(): void {
    const { bytes } = this
    let pos = this.pos
    for (let byte = bytes[pos]!; byte <= 0x20; byte = bytes[++pos]!)
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    this.pos = pos
  }

  /** Steps over `byte`, which must come next. */
  take(byte: number, name: string): void {
    if (this.bytes[this.pos] !== byte) this.fail(name)
    this.pos++
  }

  /** Steps over `byte` if it comes next, and says whether it did. */
  takeIf(byte: number): boolean {
    if (this.bytes[this.pos] !== byte) return false
    this.pos++
    return true
  }

  /** The separator between items: true after a comma, false after `close`. */
  more(close: number): boolean {
    this.skipSpace()
    if (this.takeIf(BYTE.comma)) {
      this.skipSpace()
      return true
    }
    if (!this.takeIf(close)) this.fail(`',' or '${String.fromCharCode(close)}'`)
    return false
  }

  literal(name: keyof typeof LITERALS): void {
    const expected = LITERALS[name]
    for (const byte of expected) this.take(byte, name)
  }

  /**
   * The number at the cursor as the nearest double, exactly as JSON.parse gives it. The quick way holds
   * where digits and power of ten are both exact doubles: then one division rounds once, correctly.
   */
  number(): number {
    const { bytes } = this
    const start = this.pos
    let pos = start
    let byte = bytes[pos]!
    if (byte === BYTE.minus) byte = bytes[++pos]!
    const negative = pos > start
    let digits = 0
    if (byte === BYTE.zero) {
      byte = bytes[++pos]!
    } else {
      if (!(byte > BYTE.zero && byte <= BYTE.nine)) return this.#failAt(pos, 'a digit')
      do {
        digits = digits * 10 + (byte - BYTE.zero)
        byte = bytes[++pos]!
      } while (byte >= BYTE.zero && byte <= BYTE.nine)
    }
    let scale = 0
    if (byte === BYTE.dot) {
      const first = ++pos
      byte = bytes[pos]!
      while (byte >= BYTE.zero && byte <= BYTE.nine) {
        digits = digits * 10 + (byte - BYTE.zero)
        byte = bytes[++pos]!
      }
      scale = pos - first
      if (scale === 0) return this.#failAt(pos, 'a digit')
    }
    this.pos = pos
    if ((byte | 0x20) === BYTE.e) return this.#numberWithExponent(start)
    if (digits >= Number.MAX_SAFE_INTEGER || scale > 22) return this.#numberFrom(start)
    const value = scale === 0 ? digits : digits / POWERS_OF_TEN[scale]!
    return negative ? -value : value
  }

  #numberWithExponent(start: number): number {
    this.pos++
    const sign = this.peek()
    if (sign === 0x2b || sign === BYTE.minus) this.pos++
    if (!isDigit(this.peek())) this.fail('a digit')
    while (isDigit(this.peek())) this.pos++
    return this.#numberFrom(start)
  }

  #numberFrom(start: number): number {
    return Number(this.bytes.toString('latin1', start, this.pos))
  }

  #failAt(pos: number, expected: string): never {
    this.pos = pos
    return this.fail(expected)
  }

  /** The string at the cursor, decoded. */
  string(): string {
    const { bytes } = this
    this.take(BYTE.quote, 'a string')
    const start = this.pos
    let pos = start
    let byte = bytes[pos]!
    while (byte !== BYTE.quote && byte !== BYTE.backslash && byte >= 0x20 && byte < 0x80) byte = bytes[++pos]!
    if (byte === BYTE.quote) {
      this.pos = pos + 1
      return bytes.toString('latin1', start, pos)
    }
    this.pos = pos
    this.#skipStringRest()
    const text = bytes.toString('utf8', start, this.pos - 1)
    return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
  }

  skipString(): void {
    this.take(BYTE.quote, 'a string')
    this.#skipStringRest()
  }

  /** From inside a string to behind its closing quote. */
  #skipStringRest(): void {
    const { bytes } = this
    for (;;) {
      const byte = bytes[this.pos]
      if (byte === undefined || byte < 0x20) this.fail('the end of a string')
      this.pos++
      if (byte === BYTE.quote) return
      if (byte === BYTE.backslash) this.#skipEscape()
    }
  }

  #skipEscape(): void {
    const byte = this.peek()
    if (byte !== 0x75) {
      if (byte === undefined || !ESCAPES.has(byte)) this.fail('an escape')
      this.pos++
      return
    }
    this.pos++
    for (let i = 0; i < 4; i++, this.pos++) {
      const hex = this.peek()
      const folded = (hex ?? 0) | 0x20
      if (!isDigit(hex) && !(folded >= 0x61 && folded <= 0x66)) this.fail('a hexadecimal digit')
    }
  }

  /** Steps over any value, checking its grammar. */
  skipValue(depth = 0): void {
    if (depth > MAX_DEPTH) throw new WireError(`nested deeper than ${MAX_DEPTH} levels`, this.pos)
    switch (this.peek()) {
      case BYTE.quote:
        return this.skipString()
      case BYTE.openBrace:
        return this.#skipObject(depth)
      case BYTE.openBracket:
        return this.#skipArray(depth)
      case BYTE.t:
        return this.literal('true')
      case BYTE.f:
        return this.literal('false')
      case BYTE.n:
        return this.literal('null')
      default:
        this.number()
    }
  }

  #skipObject(depth: number): void {
    this.pos++
    this.skipSpace()
    if (this.takeIf(BYTE.closeBrace)) return
    do {
      this.skipString()
      this.skipSpace()
      this.take(BYTE.colon, "':'")
      this.skipSpace()
      this.skipValue(depth + 1)
    } while (this.more(BYTE.closeBrace))
  }

  #skipArray(depth: number): void {
    this.pos++
    this.skipSpace()
    if (this.takeIf(BYTE.closeBracket)) return
    do this.skipValue(depth + 1)
    while (this.more(BYTE.closeBracket))
  }
}
