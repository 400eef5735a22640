import type { Origin } from '../../../core/batch.ts'
import { BYTE, JsonCursor, WireError } from '../wire/cursor.ts'
import { eventKind, type Asset } from './event-fields.ts'
import { headOf } from './event-head.ts'
import { EventTable, type LiveRows } from './event-table.ts'
import type { StatusEvent } from './status.ts'

export type { LiveRows } from './event-table.ts'

/** Something that did not become a row, kept as it came. */
export interface KeptEvent {
  /** Its `ev`, as far as it has one. */
  readonly ev: string | undefined
  /** The JSON text of the event; of a frame that is no JSON, the whole frame (bytes that are not UTF-8 replaced). */
  readonly raw: string
  /** One sentence: why it is no row. */
  readonly reason: string
  /** ms since the epoch. */
  readonly receivedMs: number
}

/** What the frames given since the last `take` held. */
export interface ParsedFrames {
  /** One entry per dataset, or more where a broken frame came in between. */
  readonly rows: readonly LiveRows[]
  /** Status events, in order; the feed has acted on them. */
  readonly statuses: readonly StatusEvent[]
  /** Well-formed events that no dataset holds: unknown `ev`, or an asset that is not recorded. */
  readonly unknown: readonly KeptEvent[]
  /** Broken frames, and elements of frames that are no events. Rows may be missing: repair them from REST. */
  readonly malformed: readonly KeptEvent[]
  /** Events of all kinds, malformed ones included. */
  readonly events: number
}

/** Turns frames into columns. It holds what was added until it is taken. */
export interface FrameParser {
  /**
   * Reads a frame. One whose JSON is broken anywhere is refused as a whole, even what came before the break:
   * bytes that were damaged once are not trusted. Never throws.
   *
   * @param receivedMs ms since the epoch
   */
  add(payload: Buffer, receivedMs: number): void
  /** Rows gathered so far, to decide when to take them. */
  readonly rows: number
  take(): ParsedFrames
}

/** @param origin goes into every batch */
export function createFrameParser(origin: Origin): FrameParser {
  return new ColumnarFrameParser(origin)
}

class ColumnarFrameParser implements FrameParser {
  readonly #origin: Origin
  readonly #tables = new Map<string, EventTable | undefined>()
  #statuses: StatusEvent[] = []
  #unknown: KeptEvent[] = []
  #malformed: KeptEvent[] = []
  #events = 0

  constructor(origin: Origin) {
    this.#origin = origin
  }

  get rows(): number {
    let rows = 0
    for (const table of this.#tables.values()) rows += table?.rows ?? 0
    return rows
  }

  add(payload: Buffer, receivedMs: number): void {
    const goBack = this.#remember()
    try {
      this.#frame(new JsonCursor(payload), receivedMs)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      goBack()
      this.#events++
      const raw = payload.toString('utf8')
      this.#malformed.push({ ev: undefined, raw, reason: `broken frame: ${error.message}`, receivedMs })
    }
  }

  take(): ParsedFrames {
    const taken = {
      rows: [...this.#tables.values()].flatMap((table) => table?.take(this.#origin) ?? []),
      statuses: this.#statuses,
      unknown: this.#unknown,
      malformed: this.#malformed,
      events: this.#events,
    }
    this.#statuses = []
    this.#unknown = []
    this.#malformed = []
    this.#events = 0
    return taken
  }

  /** Returns what undoes everything that was added since. */
  #remember(): () => void {
    const rows = new Map<EventTable, number>()
    for (const table of this.#tables.values()) if (table) rows.set(table, table.rows)
    const [statuses, unknown, malformed] = [this.#statuses, this.#unknown, this.#malformed].map(
      (list) => list.length,
    )
    const events = this.#events
    return () => {
      for (const table of this.#tables.values()) table?.cutBack(rows.get(table) ?? 0, this.#origin)
      this.#statuses.length = statuses!
      this.#unknown.length = unknown!
      this.#malformed.length = malformed!
      this.#events = events
    }
  }

  /** An array of events; a single event without brackets is taken too. */
  #frame(cursor: JsonCursor, receivedMs: number): void {
    cursor.skipSpace()
    if (cursor.peek() === BYTE.openBrace) this.#element(cursor, receivedMs)
    else {
      cursor.take(BYTE.openBracket, 'an array of events')
      cursor.skipSpace()
      if (!cursor.takeIf(BYTE.closeBracket)) {
        do this.#element(cursor, receivedMs)
        while (cursor.more(BYTE.closeBracket))
      }
    }
    cursor.skipSpace()
    if (cursor.pos < cursor.bytes.length) cursor.fail('the end of the frame')
  }

  #element(cursor: JsonCursor, receivedMs: number): void {
    this.#events++
    const { ev, asset } = headOf(cursor)
    if (ev === 'status') return this.#status(cursor)
    const table = ev === undefined || asset === undefined ? undefined : this.#table(ev, asset)
    if (table) return table.add(cursor, receivedMs)
    const raw = rawValue(cursor)
    if (ev === undefined) {
      this.#malformed.push({ ev, raw, reason: 'the element is not an event: it has no ev', receivedMs })
    } else if (asset === undefined && eventKind(ev, 'stock')) {
      this.#malformed.push({ ev, raw, reason: `the ${ev} event has no sym`, receivedMs })
    } else this.#unknown.push({ ev, raw, reason: `no dataset holds ${ev} events of this kind`, receivedMs })
  }

  #status(cursor: JsonCursor): void {
    const { status, message } = JSON.parse(rawValue(cursor)) as Record<string, unknown>
    this.#statuses.push({ status: textOf(status), message: textOf(message) })
  }

  #table(ev: string, asset: Asset): EventTable | undefined {
    const name = `${ev}:${asset}`
    if (this.#tables.has(name)) return this.#tables.get(name)
    const kind = eventKind(ev, asset)
    if (!kind) return undefined
    const table = new EventTable(kind)
    this.#tables.set(name, table)
    return table
  }
}

/** The text of the value at `cursor`, which is stepped over. */
function rawValue(cursor: JsonCursor): string {
  const start = cursor.pos
  cursor.skipValue()
  return cursor.bytes.toString('utf8', start, cursor.pos)
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
