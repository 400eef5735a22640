import type { Batch, ColumnType, ListColumn, StringColumn } from '../core/batch.ts'
import { kernels, kernelScratch } from '../core/kernels/index.ts'

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
    for (let from = 0; from < batch.length; from += WINDOW_ROWS) {
      this.#addWindow(batch, from, Math.min(from + WINDOW_ROWS, batch.length))
    }
    this.rows += batch.length
    return this
  }

  #addWindow({ schema, columns }: Batch, from: number, to: number): void {
    const place = placeFor(to - from)
    const { digestStart, digestSum } = kernels()
    digestStart(place.a, place.b, place.rows)
    for (const { name, type } of schema) mixColumn(type, columns[name], from, place)
    this.#a = (this.#a + digestSum(place.a, place.rows)) >>> 0
    this.#b = (this.#b + digestSum(place.b, place.rows)) >>> 0
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

/** Rows mixed together: their mixes and one column stay close to the processor. */
const WINDOW_ROWS = 4096

/** Where the mixes of some rows and the values of one column stand in the kernels' memory. */
interface Place {
  readonly rows: number
  readonly a: number
  readonly b: number
  readonly values: number
}

function placeFor(rows: number): Place {
  const a = kernelScratch(WINDOW_ROWS * 16)
  return { rows, a, b: a + WINDOW_ROWS * 4, values: a + WINDOW_ROWS * 8 }
}

/** The digest of one batch, as text. */
export const digestOf = (batch: Batch): string => new RowDigest().add(batch).toString()

const hex = (word: number): string => word.toString(16).padStart(8, '0')

function mixColumn(type: ColumnType, data: unknown, from: number, place: Place): void {
  switch (type) {
    case 'string':
      return mixStrings(data as StringColumn, from, place)
    case 'int_list':
      return mixLists(data as ListColumn, from, place)
    case 'ns':
      return mixNanoseconds(data as BigInt64Array, from, place)
    default:
      return mixDoubles(data as Float64Array, from, place)
  }
}

/** One bit pattern for every NaN (null) and for both zeros: Parquet engines do not keep the difference. */
function mixDoubles(data: Float64Array, from: number, { rows, a, b, values }: Place): void {
  const { memory, digestDoubles } = kernels()
  new Float64Array(memory.buffer, values, rows).set(data.subarray(from, from + rows))
  digestDoubles(values, rows, a, b)
}

function mixNanoseconds(data: BigInt64Array, from: number, { rows, a, b, values }: Place): void {
  const { memory, digestWhole } = kernels()
  new BigInt64Array(memory.buffer, values, rows).set(data.subarray(from, from + rows))
  digestWhole(values, rows, a, b)
}

const NULL_TEXT = 0x5bd1e995
const TEXT_TWIST = 0x27d4eb2f

function mixStrings({ codes, dictionary }: StringColumn, from: number, { rows, a, b, values }: Place): void {
  const { memory, digestWords } = kernels()
  const words = new Uint32Array(memory.buffer, values, rows)
  let [known, hash] = [-1, NULL_TEXT] // of the row before: texts mostly repeat
  for (let row = 0; row < rows; row++) {
    const code = codes[from + row]!
    if (code !== known) {
      known = code
      hash = code < 0 ? NULL_TEXT : fnv1a(dictionary[code]!)
    }
    words[row] = hash
  }
  digestWords(values, TEXT_TWIST, rows, a, b)
}

function mixLists({ offsets, values }: ListColumn, from: number, place: Place): void {
  const { buffer } = kernels().memory
  const a = new Uint32Array(buffer, place.a, place.rows)
  const b = new Uint32Array(buffer, place.b, place.rows)
  for (let row = 0; row < place.rows; row++) {
    const [first, end] = [offsets[from + row]!, offsets[from + row + 1]!]
    let wordA = step(a[row]!, end - first)
    let wordB = b[row]!
    for (let i = first; i < end; i++) {
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

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
