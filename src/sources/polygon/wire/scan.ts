import type { ColumnData } from '../../../core/batch.ts'
import { columnBuilder, NumberBuilder, type ColumnBuilder, type WireType } from './columns.ts'
import { BYTE, JsonCursor, WireError } from './cursor.ts'
import { readNumberRows, type NumberShape } from './number-rows.ts'

/** One field of a row as the vendor writes it. */
export interface WireField {
  /** Name on the wire. */
  readonly name: string
  readonly type: WireType
}

/** What a document held. */
export interface WireTable {
  /** Everything beside `results`, as JSON.parse gives it. */
  readonly envelope: Readonly<Record<string, unknown>>
  /** Rows in `results`; 0 when it is absent, null or empty, 1 when it is a single object. */
  readonly rows: number
  /** A column per field asked for, by its wire name, `rows` long; absent fields are all null. */
  readonly columns: ReadonlyMap<string, ColumnData>
  /** Fields of rows that were not asked for: name → times seen. */
  readonly unknownFields: ReadonlyMap<string, number>
  /** Values that were not of their field's type and became null: name → times seen. */
  readonly wrongTypes: ReadonlyMap<string, number>
  /** The JSON text of a row as it stands in the document; absent where rows came from several documents. */
  readonly rowText?: (row: number) => string
}

/** Names of unknown fields remembered one by one; more are counted together. */
const MAX_UNKNOWN_NAMES = 200
const OTHER_NAMES = '(others)'
const MIN_BYTES_PER_ROW = 80

/**
 * Reads a vendor document straight from its bytes into columns, without an object per row.
 * Duplicate names: the last wins, as with JSON.parse.
 *
 * @throws {WireError} when any part of the document breaks JSON's grammar, it is no object, or
 *   `results` is neither rows, an object nor null
 */
export function scanDocument(bytes: Buffer, fields: readonly WireField[]): WireTable {
  const cursor = new JsonCursor(bytes)
  const envelope: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  let table = new RowScanner(cursor, fields)
  cursor.skipSpace()
  cursor.take(BYTE.openBrace, 'an object')
  cursor.skipSpace()
  if (!cursor.takeIf(BYTE.closeBrace)) {
    do {
      const name = readName(cursor)
      if (name === 'results') {
        table = new RowScanner(cursor, fields)
        table.results()
      } else envelope[name] = readValue(cursor)
    } while (cursor.more(BYTE.closeBrace))
  }
  cursor.skipSpace()
  if (cursor.pos < bytes.length) cursor.fail('the end of the document')
  return { envelope, ...table.finish() }
}

/** A name and its colon. */
function readName(cursor: JsonCursor): string {
  const name = cursor.string()
  toValue(cursor)
  return name
}

function toValue(cursor: JsonCursor): void {
  cursor.skipSpace()
  cursor.take(BYTE.colon, "':'")
  cursor.skipSpace()
}

/** Any value, decoded; for the small ones of the envelope. */
function readValue(cursor: JsonCursor): unknown {
  const start = cursor.pos
  cursor.skipValue()
  return JSON.parse(cursor.bytes.toString('utf8', start, cursor.pos))
}

/** A field as it is met in rows: its name's bytes, and where its values go. */
interface KnownField {
  readonly name: string
  readonly bytes: Buffer
  /** Undefined: not asked for. */
  readonly builder: ColumnBuilder | undefined
  seen: number
  wrong: number
}

/** Reads rows, object by object, into columns. */
export class RowScanner {
  static keptAlive: readonly RowScanner[]
  #cursor: JsonCursor
  readonly #asked: readonly KnownField[]
  readonly #byName: Map<string, KnownField>
  /** The field met at each place of the last row: rows nearly always keep their order. */
  readonly #order: KnownField[] = []
  /** Fields of the last row. */
  #places = 0
  #rows = 0
  #capacity = 0
  #wrongRows = 0
  /** Where each row begins, of rows of one document. */
  #starts: Uint32Array | undefined

  constructor(cursor: JsonCursor, fields: readonly WireField[]) {
    this.#cursor = cursor
    this.#asked = fields.map(({ name, type }) => knownField(name, columnBuilder(type)))
    this.#byName = new Map(this.#asked.map((field) => [field.name, field]))
  }

  /** Rows read so far. */
  get rows(): number {
    return this.#rows
  }

  /** Reads the object at `cursor`, which may be in another document than the one before, as the next row. */
  row(cursor: JsonCursor): void {
    this.#cursor = cursor
    this.#row()
  }

  /** Reads the value of `results`. */
  results(): void {
    const cursor = this.#cursor
    this.#starts = new Uint32Array(0)
    if (cursor.peek() === BYTE.n) return cursor.literal('null')
    if (cursor.peek() === BYTE.openBrace) return this.#row()
    if (!cursor.takeIf(BYTE.openBracket))
      throw new WireError("'results' is neither an array nor an object", cursor.pos)
    cursor.skipSpace()
    if (cursor.takeIf(BYTE.closeBracket)) return
    do {
      this.#row()
      this.#alike()
    } while (cursor.more(BYTE.closeBracket))
  }

  /** Reads the rows behind the last one that are just like it, all but the last of them, the quick way. */
  #alike(): void {
    const cursor = this.#cursor
    const { bytes, pos } = cursor
    if (bytes[pos] !== BYTE.comma || bytes[pos + 1] !== BYTE.openBrace) return
    const shape = this.#numberShape()
    if (!shape) return
    const rows = { bytes, pos: pos + 1, row: this.#rows, end: this.#capacity, starts: this.#starts }
    readNumberRows(rows, shape)
    cursor.pos = rows.pos - 1
    this.#rows = rows.row
  }

  /** The shape of the last row, where all its fields are asked for and plain numbers. */
  #numberShape(): NumberShape | undefined {
    const fields = this.#order.slice(0, this.#places)
    const builders = fields.map(({ builder }) => builder)
    if (fields.length === 0 || !builders.every((builder) => builder instanceof NumberBuilder))
      return undefined
    return {
      names: fields.map(({ bytes }) => Buffer.concat([bytes, Buffer.from(':')])),
      values: builders.map(({ values }) => values),
      factors: builders.map(({ factor }) => factor),
      limits: builders.map(({ limit }) => limit),
    }
  }

  #row(): void {
    if (this.#rows === this.#capacity) this.#grow()
    const row = this.#rows++
    const cursor = this.#cursor
    if (this.#starts) this.#starts[row] = cursor.pos
    if (!cursor.takeIf(BYTE.openBrace)) {
      cursor.skipValue() // a row of nulls: validation refuses it, and it is counted here
      this.#wrongRows++
      return
    }
    cursor.skipSpace()
    this.#places = 0
    if (cursor.takeIf(BYTE.closeBrace)) return
    let place = 0
    do {
      const field = this.#field(place++)
      field.seen++
      toValue(cursor)
      if (!field.builder) cursor.skipValue()
      else if (!field.builder.read(cursor, row)) field.wrong++
    } while (cursor.more(BYTE.closeBrace))
    this.#places = place
  }

  #grow(): void {
    const expected = Math.ceil(this.#cursor.bytes.length / MIN_BYTES_PER_ROW) + 1
    this.#capacity = this.#capacity === 0 ? expected : this.#capacity * 2
    for (const field of this.#asked) field.builder?.grow(this.#capacity)
    if (!this.#starts) return
    const grown = new Uint32Array(this.#capacity)
    grown.set(this.#starts)
    this.#starts = grown
  }

  /** Reads the name at the cursor, which most probably is the one met at this place in the last row. */
  #field(place: number): KnownField {
    const cursor = this.#cursor
    const expected = this.#order[place]
    if (expected && this.#takeName(expected.bytes)) return expected
    const name = cursor.string()
    const field = this.#byName.get(name) ?? this.#unknown(name)
    if (place < MAX_UNKNOWN_NAMES) this.#order[place] = field
    return field
  }

  /** Steps over `name`, quotes included, if it comes next. */
  #takeName(name: Buffer): boolean {
    const { bytes, pos } = this.#cursor
    const length = name.length
    for (let i = 0; i < length; i++) if (bytes[pos + i] !== name[i]) return false
    this.#cursor.pos = pos + length
    return true
  }

  #unknown(name: string): KnownField {
    const full = this.#byName.size >= this.#asked.length + MAX_UNKNOWN_NAMES
    const shown = full ? OTHER_NAMES : name
    const field = this.#byName.get(shown) ?? knownField(shown, undefined)
    this.#byName.set(shown, field)
    return field
  }

  /** The first `rows` rows. */
  finish(rows = this.#rows): Omit<WireTable, 'envelope'> {
    const met = [...this.#byName.values()]
    const wrongTypes = new Map(met.filter(({ wrong }) => wrong > 0).map(({ name, wrong }) => [name, wrong]))
    if (this.#wrongRows > 0) wrongTypes.set('results[]', this.#wrongRows)
    return {
      rows,
      columns: new Map(this.#asked.map(({ name, builder }) => [name, builder!.finish(rows)])),
      unknownFields: new Map(met.filter(({ builder }) => !builder).map(({ name, seen }) => [name, seen])),
      wrongTypes,
      ...this.#rowTexts(),
    }
  }

  #rowTexts(): Pick<WireTable, 'rowText'> {
    const starts = this.#starts
    const { bytes } = this.#cursor
    if (!starts) return {}
    const rowText = (row: number): string => {
      const cursor = new JsonCursor(bytes)
      cursor.pos = starts[row]!
      cursor.skipValue()
      return bytes.toString('utf8', starts[row], cursor.pos)
    }
    return { rowText }
  }
}

/** Names needing escapes are never met byte by byte, and then are decoded each time. */
function knownField(name: string, builder: ColumnBuilder | undefined): KnownField {
  return { name, bytes: Buffer.from(JSON.stringify(name)), builder, seen: 0, wrong: 0 }
}

const ALL_TYPES: readonly WireType[] = [
  ...(['double', 'int64', 'ms', 'decimal', 'date', 'ns'] as const),
  ...(['string', 'int_list', 'int_or_list', 'json'] as const),
]

/**
 * Scanners that live as long as the program. Compiled code is thrown away with the last object of a shape that it was
 * made for: without these, each garbage collection would make the next document several times slower.
 */
RowScanner.keptAlive = ALL_TYPES.map((type) => {
  const scanner = new RowScanner(new JsonCursor(Buffer.from('[{"unknown":0}]')), [{ name: type, type }])
  scanner.results()
  return scanner
})
