import type { Batch, ColumnType, ListColumn, StringColumn } from '../core/batch.ts'

/**
 * A fingerprint of rows that does not depend on their order, on batch boundaries or on the file format:
 * per row two 32-bit mixes over all values, summed over the rows modulo 2^32. It tells whether what was read
 * back is what was written, and whether a vendor's second answer differs from its first. It guards against
 * accidents, not against an adversary: files carry a SHA-256 besides.
 */
export class RowDigest {
  rows = 0
  #a = 0
  #b = 0

  add(batch: Batch): this {
    const { length } = batch
    const a = scratch('a', length).fill(0x9e3779b9)
    const b = scratch('b', length).fill(0x85ebca6b)
    for (const { name, type } of batch.schema) mixColumn(type, batch.columns[name], a, b)
    this.#a = (this.#a + sumOf(a)) >>> 0
    this.#b = (this.#b + sumOf(b)) >>> 0
    this.rows += length
    return this
  }

  /** Takes over the rows of `other`, as if they had been added here. */
  merge(other: RowDigest): this {
    this.#a = (this.#a + other.#a) >>> 0
    this.#b = (this.#b + other.#b) >>> 0
    this.rows += other.rows
    return this
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return hex(this.#a) + hex(this.#b)
  }
}

const scratches = { a: new Uint32Array(0), b: new Uint32Array(0) }

/** Memory for `length` words, used again each time: what is thrown away makes the garbage collector run. */
function scratch(name: keyof typeof scratches, length: number): Uint32Array {
  if (scratches[name].length < length) scratches[name] = new Uint32Array(Math.max(length, 4096))
  return scratches[name].subarray(0, length)
}

/** The digest of one batch, as text. */
export const digestOf = (batch: Batch): string => new RowDigest().add(batch).toString()

function sumOf(mixed: Uint32Array): number {
  let sum = 0
  for (let row = 0; row < mixed.length; row++) sum = (sum + finish(mixed[row]!)) >>> 0
  return sum
}

const hex = (word: number): string => word.toString(16).padStart(8, '0')

function mixColumn(type: ColumnType, data: unknown, a: Uint32Array, b: Uint32Array): void {
  switch (type) {
    case 'string':
      return mixStrings(data as StringColumn, a, b)
    case 'int_list':
      return mixLists(data as ListColumn, a, b)
    case 'ns':
      return mixWords(wordsOf(data as BigInt64Array), a, b)
    default:
      return mixDoubles(data as Float64Array, a, b)
  }
}

const NAN_HIGH_WORD = 0x7ff80000

/** One bit pattern for every NaN (null) and for both zeros: Parquet engines do not keep the difference. */
function mixDoubles(values: Float64Array, a: Uint32Array, b: Uint32Array): void {
  const words = wordsOf(values)
  for (let row = 0; row < a.length; row++) {
    const value = values[row]!
    let low = words[2 * row]!
    let high = words[2 * row + 1]!
    if (value === 0) low = high = 0
    else if (value !== value) {
      low = 0
      high = NAN_HIGH_WORD
    }
    a[row] = step(step(a[row]!, low), high)
    b[row] = step(step(b[row]!, high), low)
  }
}

const wordsOf = (values: Float64Array | BigInt64Array): Uint32Array =>
  values.byteOffset % 4 === 0
    ? new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
    : new Uint32Array(values.slice().buffer)

function mixWords(words: Uint32Array, a: Uint32Array, b: Uint32Array): void {
  for (let row = 0; row < a.length; row++) {
    const low = words[2 * row]!
    const high = words[2 * row + 1]!
    a[row] = step(step(a[row]!, low), high)
    b[row] = step(step(b[row]!, high), low)
  }
}

function mixStrings({ codes, dictionary }: StringColumn, a: Uint32Array, b: Uint32Array): void {
  const hashes = Uint32Array.from(dictionary, fnv1a)
  for (let row = 0; row < a.length; row++) {
    const code = codes[row]!
    const word = code < 0 ? 0x5bd1e995 : hashes[code]!
    a[row] = step(a[row]!, word)
    b[row] = step(b[row]!, word ^ 0x27d4eb2f)
  }
}

function mixLists({ offsets, values }: ListColumn, a: Uint32Array, b: Uint32Array): void {
  for (let row = 0; row < a.length; row++) {
    let wordA = step(a[row]!, offsets[row + 1]! - offsets[row]!)
    let wordB = b[row]!
    for (let i = offsets[row]!; i < offsets[row + 1]!; i++) {
      wordA = step(wordA, values[i]!)
      wordB = step(wordB, values[i]!)
    }
    a[row] = wordA
    b[row] = wordB
  }
}

/** One round of MurmurHash3 (32 bit, public domain, A. Appleby). */
function step(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  hash ^= Math.imul(k, 0x1b873593)
  hash = (hash << 13) | (hash >>> 19)
  return Math.imul(hash, 5) + 0xe6546b64
}

/** MurmurHash3's final mix, so that sums of neighbouring rows do not cancel. */
function finish(hash: number): number {
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
