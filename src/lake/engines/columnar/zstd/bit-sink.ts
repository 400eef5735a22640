/**
 * A bit stream as zstd has it: written from its last symbol to its first, lowest bit first, and read from its end.
 * `bytes` must have room for what is added.
 */
export class BitSink {
  readonly #bytes: Uint8Array
  /** Where the next whole byte goes. */
  at: number
  /** Bits that make no whole byte yet, and how many. */
  word: number
  bits: number

  constructor(bytes: Uint8Array, at: number, word = 0, bits = 0) {
    this.#bytes = bytes
    this.at = at
    this.word = word
    this.bits = bits
  }

  /** The `count` low bits of `value`; at most 24, and no other bits may be set. */
  add(value: number, count: number): void {
    let word = this.word | (value << this.bits)
    let bits = this.bits + count
    while (bits >= 8) {
      this.#bytes[this.at++] = word
      word >>>= 8
      bits -= 8
    }
    this.word = word
    this.bits = bits
  }

  /** Marks the end with a bit. @returns where the stream ends in `bytes` */
  close(): number {
    this.add(1, 1)
    if (this.bits > 0) this.#bytes[this.at++] = this.word
    return this.at
  }

  /** Fills the last byte with zeros, without a mark. @returns where the bits end in `bytes` */
  pad(): number {
    if (this.bits > 0) this.#bytes[this.at++] = this.word
    return this.at
  }
}
