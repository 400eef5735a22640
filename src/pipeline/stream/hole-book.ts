import type { Batch } from '../../core/batch.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import type { Disconnected, DisconnectCause } from '../../sources/polygon/socket/feed-contract.ts'
import type { Channel } from './channels.ts'
import type { StreamOptions } from './contract.ts'
import { ChannelWatch, type StreamHole } from './holes.ts'
import { rowsBetween } from './live-series.ts'
import type { MarketClock } from './market-clock.ts'
import { repairHoles } from './repair.ts'
import type { SessionBook } from './session-book.ts'

/** The holes of all channels of the session, and the work of closing them. */
export class HoleBook {
  readonly #options: StreamOptions
  readonly #book: SessionBook
  readonly #clock: MarketClock
  readonly #watches = new Map<Channel, ChannelWatch>()
  readonly #causes = new Map<number, DisconnectCause>()
  #session: TradingSession | undefined
  #connection: number | undefined
  #isEnding = false
  #repairing: Promise<void> | undefined
  #triedTickMs = -Infinity

  constructor(options: StreamOptions, book: SessionBook, clock: MarketClock) {
    this.#options = options
    this.#book = book
    this.#clock = clock
  }

  get all(): readonly StreamHole[] {
    return [...this.#watches.values()].flatMap(({ holes }) => holes)
  }

  get unclosed(): readonly StreamHole[] {
    return this.all.filter(({ closedMs }) => closedMs === undefined)
  }

  /** Recording of `session` begins at market time `nowMs`. */
  begin(session: TradingSession, cause: 'start' | 'restart', nowMs: number): void {
    this.#session = session
    const { channels, regularHoursOnly = false } = this.#options
    const hours = regularHoursOnly ? { ...session, extendedOpenMs: session.openMs } : session
    for (const channel of channels) {
      const watch = new ChannelWatch(channel, hours, (hole) => this.#options.hooks?.onHole?.(hole))
      this.#watches.set(channel, watch)
      watch.begin(cause, nowMs)
    }
  }

  /** An event of `channel` that began at `eventMs`. */
  saw(channel: Channel, eventMs: number): void {
    this.#watches.get(channel)?.saw(eventMs, this.#clock.nowMs())
  }

  /** A connection ended: the reason for the hole that its next frames will show. */
  noteDisconnected({ cause, connection }: Disconnected): void {
    if (!this.#isEnding) this.#causes.set(connection, cause)
  }

  /** Frames of another connection begin: what the vendor sent in between is missing. */
  noteConnection(connection: number): void {
    const before = this.#connection
    this.#connection = connection
    if (before === undefined) return
    const cause = this.#causes.get(before) ?? 'cut'
    for (const watch of this.#watches.values()) watch.interrupted(cause, this.#clock.nowMs())
  }

  /** A frame could not be read: what it held is missing. */
  noteMalformed(): void {
    for (const watch of this.#watches.values()) watch.interrupted('malformed', this.#clock.nowMs())
  }

  /** Looks for silence that is more than chance; `graceMs`: events may come so late. */
  checkSilence(graceMs: number): void {
    const cause = this.#connection === undefined ? undefined : this.#causes.get(this.#connection)
    for (const watch of this.#watches.values()) watch.checkSilence(this.#clock.nowMs(), graceMs, cause)
  }

  /** The feed is closed on purpose: that it ends is no hole. */
  noteEnding(): void {
    this.#isEnding = true
  }

  /** Nothing more will be received. If the last connection had broken before, what followed is missing. */
  finish(): void {
    const cause = this.#connection === undefined ? undefined : this.#causes.get(this.#connection)
    if (cause) for (const watch of this.#watches.values()) watch.interrupted(cause, this.#clock.nowMs())
    for (const watch of this.#watches.values()) watch.finish(this.#clock.nowMs())
  }

  /** Begins an attempt to close holes in the background, where there are any and the last one is long enough ago. */
  repairIfDue(signal: AbortSignal): void {
    const { times, hooks } = this.#options
    if (this.#repairing || performance.now() - this.#triedTickMs < times.repairDelayMs) return
    const watches = [...this.#watches.values()].filter(
      (one) => one.channel.sharesKeys && one.repairable.length > 0,
    )
    if (watches.length === 0) return
    this.#triedTickMs = performance.now()
    this.#repairing = this.#repair(watches, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) hooks?.onProblem?.('repair', error)
      })
      .finally(() => (this.#repairing = undefined))
  }

  /** One attempt, now, to close what can be closed. */
  async repairNow(signal: AbortSignal): Promise<void> {
    await this.#repairing
    await this.#repair([...this.#watches.values()], signal)
  }

  /** Waits for the attempt under way. */
  async settled(): Promise<void> {
    await this.#repairing
  }

  async #repair(watches: readonly ChannelWatch[], signal: AbortSignal): Promise<void> {
    const { vendor, symbols, times, hooks } = this.#options
    const repairing = {
      ...{ source: vendor.history, book: this.#book, date: this.#session?.date ?? '', tickers: symbols },
      marketNow: () => this.#clock.nowMs(),
      publicationMs: times.publicationSeconds * 1000,
      onClosed: (hole: StreamHole) => hooks?.onHoleClosed?.(hole),
    }
    for (const watch of watches) await repairHoles(watch, repairing, signal)
  }

  /** REST has brought the whole session of `channel`; `rows`: of one of its series, where they are at hand. */
  closeAll(channel: Channel, rows: Batch | undefined): void {
    const watch = this.#watches.get(channel)
    const { eventColumn } = channel.dataset
    for (const hole of watch?.unclosed ?? []) {
      const toMs = hole.toMs ?? watch!.session.extendedCloseMs
      if (rows) hole.rows = rowsBetween(rows, eventColumn, hole.fromMs, toMs).length
      watch!.close(hole, this.#clock.nowMs())
      this.#options.hooks?.onHoleClosed?.(hole)
    }
  }

  /** What the ledger says of a session that is not finished. */
  pendingReason(date: string): string {
    if (date !== this.#session?.date) return 'recorded live, not reconciled with REST yet'
    const open = this.unclosed.length
    return open === 0
      ? 'being recorded live'
      : `being recorded live, ${open} ${open === 1 ? 'hole' : 'holes'} open`
  }
}
