import { sleep, throwIfAborted } from '../../core/abort.ts'
import { messageOf } from '../../core/errors.ts'
import { together } from '../../core/together.ts'
import type { KeptLine } from '../../lake/kept-events.ts'
import type { Journal } from '../../lake/journal/index.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import type { Disconnected, LiveFeed, LiveFeedEvents } from '../../sources/polygon/socket/feed-contract.ts'
import { DELAYED_LAG_MS } from '../../sources/polygon/socket/hosts.ts'
import { checkTickers } from './check-tickers.ts'
import type { StreamEnd, StreamOptions, StreamSummary } from './contract.ts'
import { holdDay, sessionAt } from './earlier-runs.ts'
import { Flusher } from './flusher.ts'
import { HoleBook } from './hole-book.ts'
import { Intake, type ReceivedRows } from './intake.ts'
import { keepEvents } from './kept-events.ts'
import { eventMarketClock, wallMarketClock, type MarketClock } from './market-clock.ts'
import { Pulse } from './pulse.ts'
import { recoverJournals, type Recovered } from './recover.ts'
import { Replay } from './replay.ts'
import { SessionBook } from './session-book.ts'
import { Settlement } from './settlement.ts'
import { VendorTime } from './vendor-time.ts'

/** How often the run looks whether something is due. */
const LOOK_MS = 100
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
  readonly #pulse: Pulse
  readonly #vendorTime: VendorTime
  #recovered: Recovered | undefined
  #session: TradingSession | undefined
  #feed: LiveFeed | undefined
  #intake: Intake | undefined
  #failure: Error | undefined
  /** Why there was nothing to record. */
  #closedReason: string | undefined
  #firstFlush = true

  constructor(options: StreamOptions, journal: Journal) {
    const { lake, times, hooks, ignoreHours, now } = options
    this.#options = options
    this.#journal = journal
    this.#book = new SessionBook(lake.runId, (events) => this.#keep(events))
    this.#vendorTime = new VendorTime(options)
    this.#clock = ignoreHours
      ? eventMarketClock()
      : wallMarketClock(now, this.#vendorTime, () => this.#feedLagMs)
    this.#holes = new HoleBook(options, this.#book, this.#clock)
    this.#pulse = new Pulse(options, journal)
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
    const { vendor, immediate } = this.#options
    await checkTickers(this.#options)
    await this.#vendorTime.ask()
    if (session) await this.#begin(session, this.#clock.nowMs())
    else await this.#findReplay()
    const onDisconnected = (event: Disconnected) => this.#holes.noteDisconnected(event)
    const feedEvents = together<LiveFeedEvents>(this.#options.hooks?.onFeed, { onDisconnected })
    this.#feed = vendor.openFeed(this.#params(), feedEvents, immediate)
    const intake = this.#createIntake(this.#feed)
    this.#intake = intake
    const receiving = intake.run().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(messageOf(error))
    })
    const end = await this.#watch()
    this.#holes.noteEnding()
    await this.#feed.close()
    await receiving
    throwIfAborted(immediate)
    this.#holes.finish()
    return await this.finish(this.#failure ? 'failed' : end, this.#closedReason)
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

  get #feedLagMs(): number {
    return this.#feed?.stats().delayed ? DELAYED_LAG_MS : 0
  }

  #params(): string[] {
    const { channels, symbols } = this.#options
    return channels.flatMap(({ name }) => symbols.map((symbol) => `${name}.${symbol}`))
  }

  #createIntake(feed: LiveFeed): Intake {
    const { channels, vendor } = this.#options
    return new Intake({
      ...{ feed, channels, journal: this.#journal, book: this.#book, parser: vendor.createParser() },
      observe: vendor.observe?.bind(vendor),
      onConnection: (connection) => this.#holes.noteConnection(connection),
      onRows: (rows) => this.#received(rows),
      onKept: (events) => {
        if (events.some(({ reason }) => reason.startsWith('broken'))) this.#holes.noteMalformed()
        this.#keep(events)
      },
      onQuiet: () => this.#flushIfDue(),
    })
  }

  #keep(events: readonly KeptLine[]): void {
    const { lake, cluster, hooks } = this.#options
    void keepEvents(lake.root, cluster, events).catch((e: unknown) => hooks?.onProblem?.('events', e))
  }

  #received(rows: ReceivedRows): void {
    const { channel, eventMs } = rows
    if (!this.#session) this.#beginByEvent(eventMs[0]!)
    for (const ms of eventMs) {
      this.#clock.note(ms + channel.stepMs)
      this.#holes.saw(channel, ms)
      this.#pulse.saw(this.#clock.nowMs())
    }
    this.#flusher.noteReceived(eventMs.length)
    this.#pulse.received(rows, this.#clock.nowMs() + this.#feedLagMs)
  }

  #beginByEvent(eventMs: number): void {
    const session = sessionAt(this.#options, eventMs)
    if (!session) return
    const { newestMs } = this.#vendorTime
    this.#beginAt(session, newestMs < session.extendedCloseMs ? newestMs : eventMs)
  }

  async #begin(session: TradingSession, nowMs: number): Promise<void> {
    await holdDay(this.#options, this.#book, session.date)
    this.#beginAt(session, nowMs)
  }

  #beginAt(session: TradingSession, nowMs: number): void {
    const { hooks, series } = this.#options
    this.#session = session
    for (const id of series) this.#book.open(id, session.date)
    const isRestart = this.#book
      .on(session.date)
      .some(({ isChanged, isHeld, hasRows }) => (isChanged || isHeld) && hasRows)
    this.#holes.begin(session, isRestart ? 'restart' : 'start', nowMs)
    this.#pulse.begin(session, nowMs)
    hooks?.onSession?.(session)
  }

  /** A replay goes on where an earlier run stopped, if it stopped in the session that the vendor's clock shows. */
  async #findReplay(): Promise<void> {
    const session = sessionAt(this.#options, this.#vendorTime.newestMs)
    if (session) await holdDay(this.#options, this.#book, session.date)
  }

  /** Looks after everything that goes by time, until the stream is to end. */
  async #watch(): Promise<StreamEnd> {
    const { graceful, immediate, ignoreHours } = this.#options
    const replay = ignoreHours ? new Replay(this.#options, this.#book, this.#vendorTime) : undefined
    for (;;) {
      throwIfAborted(immediate)
      if (this.#failure) return 'failed'
      if (graceful.aborted) return 'interrupted'
      const end = replay ? await this.#endOfReplay(replay) : await this.#endOfSession()
      if (end) return end
      this.#flushIfDue()
      this.#pulse.look(this.#feed!.stats())
      this.#checkSilence(replay !== undefined)
      this.#holes.repairIfDue(immediate)
      await sleep(LOOK_MS, AbortSignal.any([graceful, immediate])).catch(() => undefined)
    }
  }

  async #endOfSession(): Promise<StreamEnd | undefined> {
    const isOver = await this.#vendorTime.confirmsEnd(this.#session!, () => this.#clock.nowMs())
    return isOver ? 'session_over' : undefined
  }

  async #endOfReplay(replay: Replay): Promise<StreamEnd | undefined> {
    const state = await replay.look({
      session: this.#session,
      quietMs: performance.now() - this.#intake!.lastTickMs,
      isConnected: this.#feed!.stats().connected,
      hasRecovered: (this.#recovered?.rows ?? 0) > 0,
    })
    const { newestMs } = this.#vendorTime
    if (state.kind === 'found') this.#beginAt(state.session, newestMs)
    if (state.kind === 'closed') this.#closedReason = state.reason
    if (this.#session) this.#clock.note(newestMs)
    if (state.kind === 'closed') return 'closed'
    return state.kind === 'over' || state.kind === 'found' ? 'session_over' : undefined
  }

  #flushIfDue(): void {
    if (this.#intake?.isBusy || !this.#flusher.isDue || !this.#options.lake.provenance()) return
    this.#flusher.begin(this.#options.immediate)
  }

  #checkSilence(isReplay: boolean): void {
    if (!this.#session) return
    if (!isReplay) this.#holes.checkSilence(SILENCE_GRACE_MS)
    this.#pulse.checkStall(this.#clock.nowMs())
  }
}
