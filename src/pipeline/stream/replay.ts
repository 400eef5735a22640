import { calendarOf, type ExchangeCalendar, type TradingSession } from '../../market/calendar/index.ts'
import type { StreamOptions } from './contract.ts'
import { isLeftOpen } from './earlier-runs.ts'
import { sessionToRecord, type SessionToday } from './hours.ts'
import type { SessionBook } from './session-book.ts'
import { LINGER_MS, type VendorTime } from './vendor-time.ts'

/** What a quiet replay comes to. */
export type ReplayState =
  /** More may come. */
  | { readonly kind: 'going_on' }
  /** No event told the session, but the vendor's clock does: it is over and can be settled. */
  | { readonly kind: 'found'; readonly session: TradingSession }
  | { readonly kind: 'over' }
  /** Nothing came, nothing is known, and the market is closed. */
  | { readonly kind: 'closed'; readonly reason: string }

/** What is known of a replay when it is looked at. */
export interface ReplayLook {
  /** What is being recorded; undefined before the first event. */
  readonly session: TradingSession | undefined
  /** Since the last event came, or since the beginning, by the clock on the wall. */
  readonly quietMs: number
  readonly isConnected: boolean
  /** Rows were found in a journal. */
  readonly hasRecovered: boolean
}

const GOING_ON: ReplayState = { kind: 'going_on' }

/**
 * Tells when a replay is over. Its events tell the time; where they stop coming, or never come, the vendor's clock
 * does: a session that it shows to be over is settled, one that is to come is waited for, and in a closed market of
 * which nothing is known the replay ends after `replayWaitSeconds`.
 */
export class Replay {
  readonly #options: StreamOptions
  readonly #book: SessionBook
  readonly #vendorTime: VendorTime
  readonly #calendar: ExchangeCalendar
  readonly #startMs: number
  #told: string | undefined

  /** The vendor's clock was asked just before. */
  constructor(options: StreamOptions, book: SessionBook, vendorTime: VendorTime) {
    this.#options = options
    this.#book = book
    this.#vendorTime = vendorTime
    this.#calendar = calendarOf(options.channels[0]!.dataset.calendar)
    this.#startMs = this.#clockMs
  }

  async look({ session, quietMs, isConnected, hasRecovered }: ReplayLook): Promise<ReplayState> {
    const { replayQuietMs, replayWaitSeconds } = this.#options.times
    if (quietMs < replayQuietMs || this.#vendorTime.sinceAskedMs < replayQuietMs) return GOING_ON
    await this.#vendorTime.ask()
    if (session) return this.#isPast(session, this.#vendorTime.newestMs) ? { kind: 'over' } : GOING_ON
    const found = await this.#finished(hasRecovered)
    if (found) return { kind: 'found', session: found }
    const due = this.#due()
    this.#tell(due)
    if ('session' in due || !isConnected || quietMs < replayWaitSeconds * 1000) return GOING_ON
    const reason = `nothing came within ${replayWaitSeconds} s: ${due.closed}; the next session is ${due.next.date}`
    return { kind: 'closed', reason }
  }

  /** A vendor that does not tell the time: that of this machine. */
  get #clockMs(): number {
    const { newestMs } = this.#vendorTime
    return Number.isFinite(newestMs) ? newestMs : this.#options.now()
  }

  #isPast({ extendedCloseMs }: TradingSession, ms: number): boolean {
    return ms >= extendedCloseMs + LINGER_MS
  }

  #due(): SessionToday {
    return sessionToRecord(this.#calendar, this.#clockMs, this.#options.date)
  }

  /** A session that is over by now: one that passed without an event, or that an earlier run left open. */
  async #finished(hasRecovered: boolean): Promise<TradingSession | undefined> {
    const { date } = this.#options
    const session = date === undefined ? this.#lastSession() : this.#calendar.on(date)
    if (!session || !this.#isPast(session, this.#clockMs)) return undefined
    if (this.#startMs < session.extendedCloseMs) return session
    return (await isLeftOpen(this.#options, this.#book, session, hasRecovered)) ? session : undefined
  }

  /** None while another one is under way: that one is being waited for. */
  #lastSession(): TradingSession | undefined {
    const clockMs = this.#clockMs
    return this.#calendar.at(clockMs) ? undefined : this.#calendar.lastFinished(clockMs)
  }

  /** Says once what is waited for. */
  #tell(due: SessionToday): void {
    const session = 'session' in due ? due.session : undefined
    const what = session?.date ?? 'closed'
    if (what === this.#told) return
    this.#told = what
    this.#options.hooks?.onReplayWaiting?.({ clockMs: this.#clockMs, session })
  }
}
