import type { TradingSession } from '../../market/calendar/index.ts'
import type { DisconnectCause } from '../../sources/polygon/socket/feed-contract.ts'
import type { Channel, ChannelName } from './channels.ts'
import { Expectation } from './expectation.ts'

/**
 * Why events are missing: `start` the recorder came after the open, `restart` it went on where another had died
 * or ended, `quiet` nothing came although it was to be expected, `malformed` a frame could not be read; else how
 * the connection ended.
 */
export type HoleCause = DisconnectCause | 'start' | 'restart' | 'quiet' | 'malformed'

/** A stretch of a live session that was not received. Instants are market time, UTC epoch milliseconds. */
export interface StreamHole {
  readonly channel: ChannelName
  readonly cause: HoleCause
  /** First instant that may lack events, inclusive. */
  readonly fromMs: number
  /** Exclusive; undefined while nothing has come since. */
  toMs: number | undefined
  readonly detectedMs: number
  /** When REST had brought the stretch, undefined while it is open. */
  closedMs: number | undefined
  /** Rows that REST brought of it. */
  rows: number
  /** Why it is still open, where that is known. */
  note: string | undefined
}

/**
 * Watches the event times of one channel through a session and finds what is missing. Holes are the feed's, not a
 * ticker's: whatever is subscribed was missed alike.
 */
export class ChannelWatch {
  readonly channel: Channel
  readonly session: TradingSession
  readonly holes: StreamHole[] = []
  readonly #expectation: Expectation
  readonly #onHole: (hole: StreamHole) => void
  /** The hole that nothing has ended yet. */
  #current: StreamHole | undefined
  /** Start of the newest step with an event. */
  #newestMs: number | undefined

  /** @param onHole called for every hole when it is found */
  constructor(
    channel: Channel,
    session: TradingSession,
    onHole: (hole: StreamHole) => void = () => undefined,
  ) {
    this.channel = channel
    this.session = session
    this.#onHole = onHole
    this.#expectation = new Expectation(session, channel)
  }

  /** Start of the newest event, ms; undefined before the first. */
  get newestMs(): number | undefined {
    return this.#newestMs
  }

  /** Receiving begins at market time `nowMs`; what the session had before it is missing. */
  begin(cause: 'start' | 'restart', nowMs: number): void {
    if (nowMs <= this.session.extendedOpenMs) return
    this.#open(cause, this.session.extendedOpenMs, nowMs)
  }

  /**
   * The connection ended. The newest step may have been received in part (bars of one minute come one by one), so
   * the hole begins with it.
   */
  interrupted(cause: DisconnectCause | 'malformed', nowMs: number): void {
    if (this.#current) return
    this.#open(cause, this.#newestMs ?? this.session.extendedOpenMs, nowMs)
  }

  /** An event of `eventMs` came. Late ones, sent again, tell nothing about what is missing. */
  saw(eventMs: number, nowMs: number): void {
    const { stepMs } = this.channel
    const startMs = Math.floor(eventMs / stepMs) * stepMs
    const newestMs = this.#newestMs
    if (startMs < this.session.extendedOpenMs || startMs >= this.session.extendedCloseMs) return
    if (newestMs !== undefined && startMs <= newestMs) return
    const quietFromMs = newestMs === undefined ? startMs : newestMs + stepMs
    if (this.#current) this.#end(startMs + stepMs)
    else if (startMs > quietFromMs && this.#expectation.isSurprising(quietFromMs, startMs)) {
      this.#open('quiet', quietFromMs, nowMs)
      this.#end(startMs)
    } else this.#expectation.noteEmpty(quietFromMs, startMs)
    this.#expectation.noteEvent(startMs)
    this.#newestMs = startMs
  }

  /**
   * Looks whether silence up to market time `nowMs` is more than chance; `graceMs`: events may be so late.
   *
   * @param cause why nothing comes, where that is known: the connection has ended
   */
  checkSilence(nowMs: number, graceMs: number, cause?: DisconnectCause): StreamHole | undefined {
    if (this.#current || this.#newestMs === undefined) return undefined
    const { stepMs } = this.channel
    const fromMs = this.#newestMs + stepMs
    const toMs = Math.min(nowMs - graceMs - stepMs, this.session.extendedCloseMs)
    if (toMs <= fromMs || !this.#expectation.isSurprising(fromMs, toMs)) return undefined
    return cause ? this.#open(cause, this.#newestMs, nowMs) : this.#open('quiet', fromMs, nowMs)
  }

  /** REST has brought what there was of `hole`. Silence that turned out to be real is expected from now on. */
  close(hole: StreamHole, nowMs: number): void {
    hole.toMs ??= this.session.extendedCloseMs
    hole.closedMs = nowMs
    hole.note = undefined
    if (hole.cause === 'quiet' && hole.rows === 0) this.#expectation.noteEmpty(hole.fromMs, hole.toMs)
  }

  /** The session is over, or recording ends: nothing more will come. */
  finish(nowMs: number): void {
    if (this.#current) this.#end(Math.min(nowMs, this.session.extendedCloseMs))
  }

  /** Holes that are not closed yet and whose end is known, oldest first. */
  get repairable(): readonly StreamHole[] {
    return this.holes.filter(({ closedMs, toMs }) => closedMs === undefined && toMs !== undefined)
  }

  get unclosed(): readonly StreamHole[] {
    return this.holes.filter(({ closedMs }) => closedMs === undefined)
  }

  #open(cause: HoleCause, fromMs: number, nowMs: number): StreamHole {
    const hole: StreamHole = {
      ...{ channel: this.channel.name, cause, fromMs, toMs: undefined, detectedMs: nowMs },
      ...{ closedMs: undefined, rows: 0, note: undefined },
    }
    this.holes.push(hole)
    this.#current = hole
    this.#onHole(hole)
    return hole
  }

  #end(toMs: number): void {
    this.#current!.toMs = Math.max(toMs, this.#current!.fromMs)
    this.#current = undefined
  }
}
