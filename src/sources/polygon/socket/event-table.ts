import type { Batch, Origin } from '../../../core/batch.ts'
import type { DatasetDefinition } from '../../../market/dataset.ts'
import { JsonCursor } from '../wire/cursor.ts'
import type { RowMapping } from '../wire/fields.ts'
import { toBatch } from '../wire/rows.ts'
import { RowScanner } from '../wire/scan.ts'
import type { EventKind } from './event-fields.ts'

/** Rows of one dataset, in the order in which they came. */
export interface LiveRows {
  readonly dataset: DatasetDefinition
  /** Of any number of tickers; not yet validated, a key may occur more than once (the last is the newest). */
  readonly batch: Batch
  /** When the frame of each row was received, ms since the epoch. */
  readonly receivedMs: Float64Array
  /** Fields that the dataset does not know: name → times seen. */
  readonly unknownFields: ReadonlyMap<string, number>
  /** Values that were not of their field's type and became null: name → times seen. */
  readonly wrongTypes: ReadonlyMap<string, number>
  /** How its events are read. */
  readonly mapping: RowMapping
}

/** Gathers the events of one kind, over any number of frames, until they are taken as a batch. */
export class EventTable {
  readonly #kind: EventKind
  /** Made by the first row. */
  #scanner: RowScanner | undefined
  #receivedMs = new Float64Array(64)
  /** Where each row stands as it was sent: its frame, and the place of its first byte there. */
  #frames: Buffer[] = []
  #starts = new Uint32Array(64)
  /** Rows that were complete when a later frame turned out to be broken. */
  #parts: LiveRows[] = []

  constructor(kind: EventKind) {
    this.#kind = kind
  }

  /** Rows since the last `take` or `cutBack`. */
  get rows(): number {
    return this.#scanner?.rows ?? 0
  }

  add(cursor: JsonCursor, receivedMs: number): void {
    const scanner = (this.#scanner ??= new RowScanner(cursor, this.#kind.mapping.fields))
    const row = scanner.rows
    if (row === this.#receivedMs.length) {
      const grown = new Float64Array(row * 2)
      grown.set(this.#receivedMs)
      this.#receivedMs = grown
      const starts = new Uint32Array(row * 2)
      starts.set(this.#starts)
      this.#starts = starts
    }
    this.#receivedMs[row] = receivedMs
    this.#frames[row] = cursor.bytes
    this.#starts[row] = cursor.pos
    scanner.row(cursor)
  }

  /** Keeps the first `rows` rows and forgets those after them. */
  cutBack(rows: number, origin: Origin): void {
    if (!this.#scanner || this.rows === rows) return
    if (rows > 0) this.#parts.push(this.#finish(this.#scanner, rows, origin))
    this.#scanner = undefined
  }

  /** Everything gathered; the table is empty afterwards. */
  take(origin: Origin): readonly LiveRows[] {
    const parts = this.#parts
    this.#parts = []
    if (!this.#scanner) return parts
    parts.push(this.#finish(this.#scanner, this.rows, origin))
    this.#scanner = undefined
    return parts
  }

  #finish(scanner: RowScanner, rows: number, origin: Origin): LiveRows {
    const { dataset, mapping } = this.#kind
    const table = { envelope: {}, ...scanner.finish(rows) }
    const { unknownFields, wrongTypes } = table
    const batch = toBatch(dataset, mapping, { envelope: {}, table }, '', origin)
    const [frames, starts] = [this.#frames, this.#starts.slice(0, rows)]
    this.#frames = []
    return {
      dataset,
      batch: { ...batch, sentText: (row) => textAt(frames[row]!, starts[row]!) },
      receivedMs: this.#receivedMs.slice(0, rows),
      unknownFields,
      wrongTypes,
      mapping,
    }
  }
}

/** The JSON text of the value that begins at `start`. */
function textAt(frame: Buffer, start: number): string {
  const cursor = new JsonCursor(frame)
  cursor.pos = start
  cursor.skipValue()
  return frame.toString('utf8', start, cursor.pos)
}
