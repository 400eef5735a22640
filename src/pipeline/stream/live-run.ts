import { sleep, throwIfAborted } from '../../core/abort.ts'
import { AuthenticationError, messageOf, UsageError, VendorError } from '../../core/errors.ts'
import type { Journal } from '../../lake/journal/index.ts'
import { calendarOf, type TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE, newYorkDate } from '../../market/time.ts'
import { HeartbeatCounter, StallWatch } from '../../monitor/heartbeat.ts'
import type { LiveFeed } from '../../sources/polygon/socket/feed-contract.ts'
import { holdCell } from './cell.ts'
import type { StreamEnd, StreamOptions, StreamSummary } from './contract.ts'
import { Flusher } from './flusher.ts'
import { HoleBook } from './hole-book.ts'
import { Intake, type ReceivedRows } from './intake.ts'
import { keepEvents } from './kept-events.ts'
import { eventMarketClock, wallMarketClock, type MarketClock } from './market-clock.ts'
import { recoverJournals, type Recovered } from './recover.ts'
import { SessionBook } from './session-book.ts'
import { Settlement } from './settlement.ts'

/** How often the run looks whether something is due. */
const LOOK_MS = 100
/** Market time after the close in which the last bars come. */
const LINGER_MS = 90_000
/** Market time by which a bar may come late without its absence being a silence. */
const SILENCE_GRACE_MS = 15_000

/** One run of the recorder; see {@link streamSession}. */
export class LiveRun {
  readonly #options: StreamOptions
  readonly #journal: Journal
  readonly #book: SessionBook
  readonly #clock: MarketClock
  readonly #flusher: Flusher
  readonly #holes: HoleBook
  readonly #beats = new HeartbeatCounter()
  #recovered: Recovered | undefined
  #session: TradingSession | undefined
  #feed: LiveFeed | undefined
  #intake: Intake | undefined
  #failure: Error | undefined
  #startMs = -Infinity
  #stall: StallWatch | undefined
  #beatTickMs = performance.now()
  #askedTickMs = performance.now()
  #firstFlush = true

  constructor(options: StreamOptions, journal: Journal) {
    const { lake, times, hooks, ignoreHours, now } = options
    this.#options = options
    this.#journal = journal
    this.#book = new SessionBook(lake.runId)
    this.#clock = ignoreHours ? eventMarketClock() : wallMarketClock(now)
    this.#holes = new HoleBook(options, this.#book, this.#clock)
    this.#flusher = new Flusher({
      ...{ lake, journal, book: this.#book, ...times },
      pendingReason: ({ date }) => this.#holes.pendingReason(date),
      onFlushed: (event) => {
        if (this.#firstFlush)
          void this.#recovered?.discard().catch((e: unknown) => hooks?.onProblem?.('journal', e))
        this.#firstFlush = false
        hooks?.onFlushed?.(event)
      },
      onProblem: (error) => hooks?.onProblem?.('commit', error),
    })
  }

  /** Takes what an earlier run left in the journal. @throws {DiskError} */
  async recover(): Promise<void> {
    const { vendor, hooks } = this.#options
    this.#recovered = await recoverJournals(this.#journal, this.#book, vendor)
    const { rows, lostBytes } = this.#recovered
    if (this.#journal.found.length > 0) hooks?.onRecovered?.({ rows, lostBytes })
  }

  /** Records `session`; undefined: the one that the events tell. */
  async record(session: TradingSession | undefined): Promise<StreamSummary> {
    const { vendor, immediate, ignoreHours } = this.#options
    await this.#checkTickers()
    await this.#askTime()
    if (session) await this.#begin(session, this.#clock.nowMs())
    else await this.#holdCurrent()
    this.#feed = vendor.openFeed(this.#params(), this.#feedEvents(), immediate)
    const intake = this.#createIntake(this.#feed)
    this.#intake = intake
    const receiving = intake.run().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(messageOf(error))
    })
    const end = await this.#watch(ignoreHours)
    this.#holes.noteEnding()
    await this.#feed.close()
    await receiving
    throwIfAborted(immediate)
    this.#holes.finish()
    return await this.finish(this.#failure ? 'failed' : end, undefined)
  }

  /** Closes what can be closed, settles every session, tells what was done. */
  async finish(end: StreamEnd, reason: string | undefined): Promise<StreamSummary> {
    await this.#flusher.settled()
    const settlement = new Settlement(this.#options, this.#book, this.#holes, this.#clock)
    const cells = await settlement.settle(end, this.#session?.date)
    if (settlement.isWhole) {
      await (await this.#journal.cut()).discard()
      await this.#recovered?.discard()
    }
    const { vendor } = this.#options
    const intake = this.#intake
    return {
      ...{ end, reason, cells, failure: this.#failure ?? settlement.failure },
      session: this.#session?.date,
      holes: this.#holes.all,
      frames: intake?.frames ?? 0,
      rows: intake?.rows ?? 0,
      unknown: intake?.unknown ?? 0,
      malformed: intake?.malformed ?? 0,
      refused: this.#book.all.reduce((sum, { refusedCount }) => sum + refusedCount, 0),
      strays: this.#book.strays,
      reconnects: Math.max(0, (this.#feed?.stats().connections ?? 0) - 1),
      calls: vendor.history.calls,
      recovered: this.#recovered?.rows ?? 0,
    }
  }

  #params(): string[] {
    const { channels, symbols } = this.#options
    return channels.flatMap(({ name }) => symbols.map((symbol) => `${name}.${symbol}`))
  }

  #feedEvents(): NonNullable<NonNullable<StreamOptions['hooks']>['onFeed']> {
    const { onFeed } = this.#options.hooks ?? {}
    return {
      ...onFeed,
      onDisconnected: (event) => {
        onFeed?.onDisconnected?.(event)
        this.#holes.noteDisconnected(event)
      },
    }
  }

  #createIntake(feed: LiveFeed): Intake {
    const { channels, vendor, lake, cluster } = this.#options
    return new Intake({
      ...{ feed, channels, journal: this.#journal, book: this.#book, parser: vendor.createParser() },
      onConnection: (connection) => this.#holes.noteConnection(connection),
      onRows: (rows) => this.#received(rows),
      onKept: (events) => {
        if (events.some(({ reason }) => reason.startsWith('broken'))) this.#holes.noteMalformed()
        void keepEvents(lake.root, cluster, events).catch((e: unknown) =>
          this.#options.hooks?.onProblem?.('events', e),
        )
      },
      onQuiet: () => this.#flushIfDue(),
    })
  }

  #received({ channel, eventMs, receivedMs }: ReceivedRows): void {
    if (!this.#session) this.#beginByEvent(eventMs[0]!)
    const nowMs = this.#options.ignoreHours ? eventMs : receivedMs
    const stepMs = this.#options.ignoreHours ? 0 : channel.stepMs
    for (let row = 0; row < eventMs.length; row++) {
      this.#clock.note(eventMs[row]! + channel.stepMs)
      this.#holes.saw(channel, eventMs[row]!)
      this.#beats.received(1, nowMs[row]! - eventMs[row]! - stepMs)
    }
    const last = eventMs.length - 1
    this.#options.hooks?.onReceived?.({
      rows: eventMs.length,
      lagMs: nowMs[last]! - eventMs[last]! - stepMs,
    })
    this.#flusher.noteReceived(eventMs.length)
    const quietMs = this.#stall?.received(this.#clock.nowMs())
    if (quietMs !== undefined) this.#alertStall(`data is back after ${minutes(quietMs)} minutes`, 'info')
  }

  #beginByEvent(eventMs: number): void {
    const { channels } = this.#options
    const session = calendarOf(channels[0]!.dataset.calendar).at(eventMs)
    if (!session) return
    this.#beginAt(session, this.#startMs < session.extendedCloseMs ? this.#startMs : eventMs)
  }

  async #begin(session: TradingSession, nowMs: number): Promise<void> {
    const { lake, series } = this.#options
    for (const id of series) await holdCell(lake, this.#book.open(id, session.date))
    this.#beginAt(session, nowMs)
  }

  #beginAt(session: TradingSession, nowMs: number): void {
    const { times, hooks, series } = this.#options
    this.#session = session
    for (const id of series) this.#book.open(id, session.date)
    const isRestart = this.#book
      .on(session.date)
      .some(({ isChanged, isHeld, hasRows }) => (isChanged || isHeld) && hasRows)
    this.#holes.begin(session, isRestart ? 'restart' : 'start', nowMs)
    this.#stall = new StallWatch(times.stallMinutes * MS_PER_MINUTE, nowMs)
    hooks?.onSession?.(session)
  }

  /** A replay goes on where an earlier run stopped, if it stopped in the session that the vendor's clock shows. */
  async #holdCurrent(): Promise<void> {
    const { channels, lake, series } = this.#options
    if (!Number.isFinite(this.#startMs)) return
    const session = calendarOf(channels[0]!.dataset.calendar).at(this.#startMs)
    if (session) for (const id of series) await holdCell(lake, this.#book.open(id, session.date))
  }

  /**
   * Asks the vendor about each ticker: it tells typos, whether the key is good, and what kind of data comes.
   *
   * @throws {UsageError} for a ticker that the vendor does not know
   * @throws {AuthenticationError} when it refuses the key
   */
  async #checkTickers(): Promise<void> {
    const { vendor, series, immediate, now, hooks } = this.#options
    const today = newYorkDate(now())
    for (const ticker of new Set(series.map((one) => one.ticker))) {
      const known = await vendor.history.knowsTicker(ticker, today, immediate).catch((error: unknown) => {
        if (!(error instanceof VendorError) || error instanceof AuthenticationError) throw error
        hooks?.onProblem?.('the check of the ticker', error) // recording is worth more than checking
        return true
      })
      if (known) continue
      throw new UsageError(`unknown ticker '${ticker}': the vendor does not know it`, {
        hint: 'Tickers are written as the exchange lists them: SPY, BRK.B.',
      })
    }
  }

  /** The vendor's clock, for replays: where the market stands before the first event. */
  async #askTime(): Promise<void> {
    const { ignoreHours, vendor, immediate, hooks } = this.#options
    this.#askedTickMs = performance.now()
    if (!ignoreHours) return
    try {
      this.#startMs = Math.max(this.#startMs, await vendor.now(immediate))
    } catch (error) {
      throwIfAborted(immediate)
      hooks?.onProblem?.("the vendor's clock", error)
    }
  }

  /** Looks after everything that goes by time, until the stream is to end. */
  async #watch(isReplay: boolean): Promise<StreamEnd> {
    const { graceful, immediate } = this.#options
    for (;;) {
      throwIfAborted(immediate)
      if (this.#failure) return 'failed'
      if (graceful.aborted) return 'interrupted'
      if (isReplay ? await this.#isReplayOver() : this.#isSessionOver()) return 'session_over'
      this.#flushIfDue()
      this.#beatIfDue()
      this.#options.hooks?.onLook?.(this.#feed!.stats())
      this.#checkSilence(isReplay)
      this.#holes.repairIfDue(immediate)
      await sleep(LOOK_MS, AbortSignal.any([graceful, immediate])).catch(() => undefined)
    }
  }

  #isSessionOver(): boolean {
    return this.#clock.nowMs() >= this.#session!.extendedCloseMs + LINGER_MS
  }

  /** After a quiet while the vendor's clock tells whether more is to come. */
  async #isReplayOver(): Promise<boolean> {
    const quietMs = this.#options.times.replayQuietMs
    const tickMs = performance.now()
    if (tickMs - this.#intake!.lastTickMs < quietMs || tickMs - this.#askedTickMs < quietMs) return false
    await this.#askTime()
    if (this.#session) this.#clock.note(this.#startMs)
    const session = this.#session ?? (await this.#sessionLeftOpen())
    return session !== undefined && this.#startMs >= session.extendedCloseMs + LINGER_MS
  }

  /** No events, and the market is closed: perhaps an earlier run died before it could settle the last session. */
  async #sessionLeftOpen(): Promise<TradingSession | undefined> {
    const { channels, lake, series } = this.#options
    if (!Number.isFinite(this.#startMs)) return undefined
    const calendar = calendarOf(channels[0]!.dataset.calendar)
    if (calendar.at(this.#startMs)) return undefined
    const session = calendar.lastFinished(this.#startMs)
    const states = await Promise.all(series.map((id) => holdCell(lake, this.#book.open(id, session.date))))
    if (!states.some((state) => state === 'pending' || state === 'complete') && !this.#recovered?.rows)
      return undefined
    this.#beginAt(session, this.#startMs)
    return session
  }

  #flushIfDue(): void {
    if (this.#intake?.isBusy || !this.#flusher.isDue || !this.#options.lake.provenance()) return
    this.#flusher.begin(this.#options.immediate)
  }

  #beatIfDue(): void {
    const { times, hooks } = this.#options
    if (performance.now() - this.#beatTickMs < times.heartbeatMinutes * MS_PER_MINUTE) return
    this.#beatTickMs = performance.now()
    const { queuedFrames: queueDepth, connections } = this.#feed!.stats()
    const beat = this.#beats.beat({ queueDepth, reconnects: Math.max(0, connections - 1) })
    // What it counts as received is on the disk: a crash right after the line does not make it a lie.
    this.#journal.sync().then(
      () => hooks?.onHeartbeat?.(beat),
      (error: unknown) => hooks?.onProblem?.('journal', error),
    )
  }

  #checkSilence(isReplay: boolean): void {
    if (isReplay || !this.#session) return
    const nowMs = this.#clock.nowMs()
    this.#holes.checkSilence(SILENCE_GRACE_MS)
    const { openMs, closeMs } = this.#session
    const quietMs = this.#stall?.check(nowMs, nowMs >= openMs && nowMs < closeMs)
    if (quietMs !== undefined)
      this.#alertStall(`no data for ${minutes(quietMs)} minutes of market time`, 'warning')
  }

  #alertStall(text: string, severity: 'info' | 'warning'): void {
    const session = this.#session?.date ?? ''
    this.#options.hooks?.onAlert?.({ kind: 'stall', severity, text: `stream: ${text}`, fields: { session } })
  }
}

const minutes = (ms: number): number => Math.round(ms / MS_PER_MINUTE)
