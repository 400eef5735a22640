import { NS_NULL, stringColumn, type ColumnData } from '../../../core/batch.ts'
import { civilToDays, isCivilDate } from '../../../market/time.ts'
import { BYTE, isDigit, type JsonCursor } from './cursor.ts'
import { readNs } from './nanoseconds.ts'

/**
 * How a field is written on the wire and held in memory (see core/batch.ts for the arrays):
 * - `double`, `int64`  number → Float64Array; NaN = null. An integer beyond ±2^53 comes as the double next to it,
 *   still beyond: validation refuses its row and can name the value
 * - `ms`       milliseconds since the epoch → Float64Array of microseconds; NaN = null
 * - `decimal`  number, or a string that holds one → Float64Array; NaN = null
 * - `date`     string YYYY-MM-DD → Float64Array of days since the epoch; NaN = null
 * - `ns`       integer, exact → BigInt64Array; NS_NULL = null
 * - `string`   → codes and dictionary; -1 = null
 * - `int_list` array of integers → offsets and values; empty = null
 * - `int_or_list` the same, or one integer without brackets
 * - `json`     any value → its JSON text, as sent, as a string column; null = null
 */
export type WireType = 'double' | 'int64' | 'ms' | 'decimal' | 'date' | 'ns' | 'string' | IntListType | 'json'
type IntListType = 'int_list' | 'int_or_list'

/** Collects the values of one field, row by row. */
export interface ColumnBuilder {
  /**
   * Reads the value at the cursor into `row`; a value given twice for one row replaces the first.
   * Returns false, with the row left null and the value stepped over, when it has the wrong type.
   */
  read(cursor: JsonCursor, row: number): boolean
  /** Makes room for rows below `capacity`, all null. */
  grow(capacity: number): void
  /** The first `rows` rows. */
  finish(rows: number): ColumnData
}

export function columnBuilder(type: WireType): ColumnBuilder {
  switch (type) {
    case 'ns':
      return new NsBuilder()
    case 'string':
      return new StringBuilder()
    case 'int_list':
    case 'int_or_list':
      return new IntListBuilder(type)
    case 'json':
      return new JsonBuilder()
    case 'decimal':
      return new DecimalBuilder()
    case 'date':
      return new DateBuilder()
    default:
      return new NumberBuilder(type)
  }
}

/** Steps over a value that is no number: true if it was null. */
function skipNonNumber(cursor: JsonCursor): boolean {
  if (cursor.peek() === BYTE.n) {
    cursor.literal('null')
    return true
  }
  cursor.skipValue()
  return false
}

const startsNumber = (cursor: JsonCursor): boolean => {
  const byte = cursor.peek()
  return isDigit(byte) || byte === BYTE.minus
}

abstract class FloatBuilder implements ColumnBuilder {
  values = new Float64Array(0)

  abstract read(cursor: JsonCursor, row: number): boolean

  grow(capacity: number): void {
    const grown = new Float64Array(capacity).fill(NaN, this.values.length)
    grown.set(this.values)
    this.values = grown
  }

  finish(rows: number): ColumnData {
    return this.values.subarray(0, rows)
  }
}

/** Reads plain numbers; a page whose fields all are such can be read without asking it (number-rows.ts). */
export class NumberBuilder extends FloatBuilder {
  readonly factor: number
  readonly limit: number

  constructor(type: 'double' | 'int64' | 'ms') {
    super()
    this.factor = type === 'ms' ? 1000 : 1
    this.limit = type === 'ms' ? Number.MAX_SAFE_INTEGER / this.factor : Infinity
  }

  read(cursor: JsonCursor, row: number): boolean {
    this.values[row] = NaN
    if (!startsNumber(cursor)) return skipNonNumber(cursor)
    const value = cursor.number()
    if (value > this.limit || value < -this.limit) return false
    this.values[row] = value * this.factor
    return true
  }
}

class DecimalBuilder extends FloatBuilder {
  read(cursor: JsonCursor, row: number): boolean {
    this.values[row] = NaN
    if (startsNumber(cursor)) {
      this.values[row] = cursor.number()
      return true
    }
    const start = cursor.pos
    if (!cursor.takeIf(BYTE.quote)) return skipNonNumber(cursor)
    if (startsNumber(cursor) && this.#readQuoted(cursor, row)) return true
    this.values[row] = NaN
    cursor.pos = start
    cursor.skipString()
    return false
  }

  #readQuoted(cursor: JsonCursor, row: number): boolean {
    try {
      this.values[row] = cursor.number()
    } catch {
      return false // a string may hold anything
    }
    return cursor.takeIf(BYTE.quote)
  }
}

class DateBuilder extends FloatBuilder {
  read(cursor: JsonCursor, row: number): boolean {
    this.values[row] = NaN
    if (cursor.peek() !== BYTE.quote) return skipNonNumber(cursor)
    const days = parseDays(cursor.string())
    if (days === undefined) return false
    this.values[row] = days
    return true
  }
}

function parseDays(text: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (!match) return undefined
  const civil = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
  return isCivilDate(civil) ? civilToDays(civil) : undefined
}

class NsBuilder implements ColumnBuilder {
  #values = new BigInt64Array(0)

  read(cursor: JsonCursor, row: number): boolean {
    this.#values[row] = NS_NULL
    if (!startsNumber(cursor)) return skipNonNumber(cursor)
    return readNs(cursor, this.#values, row)
  }

  grow(capacity: number): void {
    const grown = new BigInt64Array(capacity).fill(NS_NULL, this.#values.length)
    grown.set(this.#values)
    this.#values = grown
  }

  finish(rows: number): ColumnData {
    return this.#values.subarray(0, rows)
  }
}

/** Columns with more values than this are ids, each its own: looking for twins would only cost. */
const MAX_SHARED_VALUES = 4096

class StringBuilder implements ColumnBuilder {
  #codes = new Int32Array(0)
  readonly #dictionary: string[] = []
  readonly #codeOf = new Map<string, number>()

  read(cursor: JsonCursor, row: number): boolean {
    this.#codes[row] = -1
    if (cursor.peek() !== BYTE.quote) return skipNonNumber(cursor)
    this.#codes[row] = this.#code(cursor.string())
    return true
  }

  #code(value: string): number {
    const known = this.#codeOf.get(value)
    if (known !== undefined) return known
    const code = this.#dictionary.push(value) - 1
    if (code < MAX_SHARED_VALUES) this.#codeOf.set(value, code)
    return code
  }

  grow(capacity: number): void {
    const grown = new Int32Array(capacity).fill(-1, this.#codes.length)
    grown.set(this.#codes)
    this.#codes = grown
  }

  finish(rows: number): ColumnData {
    return { codes: this.#codes.subarray(0, rows), dictionary: this.#dictionary }
  }
}

class JsonBuilder implements ColumnBuilder {
  readonly #texts: (string | null)[] = []

  read(cursor: JsonCursor, row: number): boolean {
    const start = cursor.pos
    cursor.skipValue()
    const text = cursor.bytes.toString('utf8', start, cursor.pos)
    this.#texts[row] = text === 'null' ? null : text
    return true
  }

  grow(): void {
    // texts are kept in a plain list
  }

  finish(rows: number): ColumnData {
    return stringColumn(Array.from({ length: rows }, (_, row) => this.#texts[row]))
  }
}

class IntListBuilder implements ColumnBuilder {
  readonly #takesBare: boolean
  /** End of each row's values; a row that was never read ends where the one before it does. */
  #ends = new Uint32Array(0)
  #values = new Int32Array(64)
  #length = 0
  #lastRow = -1
  #lastStart = 0

  constructor(type: IntListType) {
    this.#takesBare = type === 'int_or_list'
  }

  read(cursor: JsonCursor, row: number): boolean {
    this.#open(row)
    const isList = cursor.peek() === BYTE.openBracket
    if (!isList && !(this.#takesBare && startsNumber(cursor))) return skipNonNumber(cursor)
    const start = cursor.pos
    if (isList ? this.#readItems(cursor) : this.#readItem(cursor)) {
      this.#ends[row] = this.#length
      return true
    }
    cursor.pos = start
    cursor.skipValue()
    this.#open(row)
    return false
  }

  /** Fills the rows that had no list, and forgets what `row` already held. */
  #open(row: number): void {
    if (row === this.#lastRow) this.#length = this.#lastStart
    else this.#ends.fill(this.#length, this.#lastRow + 1, row)
    this.#lastRow = row
    this.#lastStart = this.#length
    this.#ends[row] = this.#length
  }

  #readItems(cursor: JsonCursor): boolean {
    cursor.pos++
    cursor.skipSpace()
    if (cursor.takeIf(BYTE.closeBracket)) return true
    do if (!this.#readItem(cursor)) return false
    while (cursor.more(BYTE.closeBracket))
    return true
  }

  #readItem(cursor: JsonCursor): boolean {
    if (!startsNumber(cursor)) return false
    const value = cursor.number()
    if (value !== (value | 0)) return false
    if (this.#length === this.#values.length) this.#growValues()
    this.#values[this.#length++] = value
    return true
  }

  #growValues(): void {
    const grown = new Int32Array(this.#values.length * 2)
    grown.set(this.#values)
    this.#values = grown
  }

  grow(capacity: number): void {
    const grown = new Uint32Array(capacity)
    grown.set(this.#ends)
    this.#ends = grown
  }

  finish(rows: number): ColumnData {
    this.#ends.fill(this.#length, this.#lastRow + 1, rows)
    const offsets = new Uint32Array(rows + 1)
    offsets.set(this.#ends.subarray(0, rows), 1)
    return { offsets, values: this.#values.slice(0, this.#length) }
  }
}
