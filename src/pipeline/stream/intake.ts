import { requireColumn } from '../../core/batch.ts'
import type { Journal } from '../../lake/journal/index.ts'
import { RECORD_KIND } from '../../lake/journal/index.ts'
import { US_PER_MS } from '../../market/time.ts'
import type { LiveFeed, LiveFrame } from '../../sources/polygon/socket/feed-contract.ts'
import type { FrameParser, KeptEvent, LiveRows } from '../../sources/polygon/socket/frame-parser.ts'
import type { Channel } from './channels.ts'
import type { SessionBook } from './session-book.ts'

/** Frames read in one go when they come faster than that. */
const FRAMES_AT_ONCE = 500

export interface IntakeOptions {
  readonly feed: LiveFeed
  readonly journal: Journal
  readonly book: SessionBook
  readonly channels: readonly Channel[]
  readonly parser: FrameParser
  /** See StreamVendor. */
  readonly observe?: ((rows: LiveRows) => string | undefined) | undefined
  /** Frames of another connection than before begin here. */
  readonly onConnection: (connection: number) => void
  /** Rows were taken, all of one channel. `eventMs`: when each event began, in order of arrival. */
  readonly onRows: (rows: ReceivedRows) => void
  /** Events that no dataset holds, and what could not be read. */
  readonly onKept: (events: readonly KeptEvent[]) => void
  /** Everything that is in the journal is in the book as well, at this very moment. */
  readonly onQuiet: () => void
}

export interface ReceivedRows {
  readonly channel: Channel
  /** Per row, ms since the epoch: when the event began, and when it was received. */
  readonly eventMs: Float64Array
  readonly receivedMs: Float64Array
}

/** The way of a frame: off the feed, into the journal, read, checked, into the book. */
export class Intake {
  readonly #options: IntakeOptions
  #connection = 0
  #busy = false
  frames = 0
  rows = 0
  unknown = 0
  malformed = 0
  /** When the last frame was taken, by the monotonic clock. */
  lastTickMs = performance.now()

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** True while frames are in the journal that are not in the book yet. */
  get isBusy(): boolean {
    return this.#busy
  }

  /** Takes frames until the feed ends. @throws what ended the feed, and what the journal's disk refuses */
  async run(): Promise<void> {
    let waiting: LiveFrame[] = []
    for await (const frame of this.#options.feed.frames()) {
      if (waiting[0] && waiting[0].connection !== frame.connection) await this.#take(waiting.splice(0))
      waiting.push(frame)
      const isLast = this.#options.feed.stats().queuedFrames === 0
      if (isLast || waiting.length >= FRAMES_AT_ONCE) await this.#take(waiting.splice(0))
    }
    if (waiting.length > 0) await this.#take(waiting)
    waiting = []
  }

  async #take(frames: readonly LiveFrame[]): Promise<void> {
    const { journal, parser, onConnection, onQuiet } = this.#options
    this.#busy = true
    this.lastTickMs = performance.now()
    let hasRoom = true
    for (const { payload, receivedMs } of frames) {
      hasRoom = journal.append(RECORD_KIND.frame, receivedMs, payload)
      parser.add(payload, receivedMs)
    }
    if (!hasRoom) await journal.durable()
    const { connection } = frames.at(-1)!
    if (connection !== this.#connection) onConnection(connection)
    this.#connection = connection
    this.frames += frames.length
    await this.#takeParsed()
    this.#busy = false
    onQuiet()
  }

  async #takeParsed(): Promise<void> {
    const { parser, onKept } = this.#options
    const { rows, unknown, malformed } = parser.take()
    this.unknown += unknown.length
    this.malformed += malformed.length
    if (unknown.length + malformed.length > 0) onKept([...unknown, ...malformed])
    for (const some of rows) await this.#takeRows(some)
  }

  async #takeRows(live: LiveRows): Promise<void> {
    const { channels, onRows, book, observe } = this.#options
    const { dataset, batch, receivedMs } = live
    const channel = channels.find((one) => one.dataset === dataset)
    if (!channel || batch.length === 0) return
    this.rows += batch.length
    const eventMs = requireColumn(batch, dataset.eventColumn, 'timestamp').map((us) => us / US_PER_MS)
    onRows({ channel, eventMs, receivedMs })
    const distrusted = observe?.(live)
    await book.take(dataset, distrusted === undefined ? batch : { ...batch, distrusted }, receivedMs)
  }
}
