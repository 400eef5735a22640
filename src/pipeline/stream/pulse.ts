import type { Journal } from '../../lake/journal/index.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE } from '../../market/time.ts'
import { HeartbeatCounter, StallWatch } from '../../monitor/heartbeat.ts'
import type { LiveFeedStats } from '../../sources/polygon/socket/feed-contract.ts'
import type { StreamOptions } from './contract.ts'
import type { ReceivedRows } from './intake.ts'

/** Tells that the stream lives: heartbeats by the clock on the wall, stalls by market time. */
export class Pulse {
  readonly #options: StreamOptions
  readonly #journal: Journal
  readonly #beats = new HeartbeatCounter()
  #beatTickMs = performance.now()
  #session: TradingSession | undefined
  #stall: StallWatch | undefined
  /** True once regular hours have begun: only then data is missed. */
  #isExpected = false

  constructor(options: StreamOptions, journal: Journal) {
    this.#options = options
    this.#journal = journal
  }

  /** Recording of `session` begins at market time `nowMs`. */
  begin(session: TradingSession, nowMs: number): void {
    this.#session = session
    this.#isExpected = nowMs >= session.openMs
    this.#stall = new StallWatch(this.#options.times.stallMinutes * MS_PER_MINUTE, nowMs)
  }

  /** Rows came; it is `nowMs` in the market, however late the feed is. Of a replay the lag is the one behind the newest event. */
  received({ channel, eventMs, receivedMs }: ReceivedRows, nowMs: number): void {
    const offsetMs = nowMs - Date.now() // not 0 where this machine's clock is off, or the present is pretended
    let lagMs = 0
    for (let row = 0; row < eventMs.length; row++) {
      const atMs = this.#options.ignoreHours ? nowMs : receivedMs[row]! + offsetMs
      lagMs = Math.max(0, atMs - eventMs[row]! - channel.stepMs)
      this.#beats.received(1, lagMs)
    }
    this.#options.hooks?.onReceived?.({ rows: eventMs.length, lagMs })
  }

  /** An event came at market time `nowMs`. Of a replay the jump of the time before it may be the stall. */
  saw(nowMs: number): void {
    this.checkStall(nowMs)
    const quietMs = this.#stall?.received(nowMs)
    if (quietMs !== undefined) this.#alert(`data is back after ${minutes(quietMs)} minutes`, 'info')
  }

  /** Lets a watcher look; tells a heartbeat if one is due. */
  look(stats: LiveFeedStats): void {
    const { times, hooks } = this.#options
    hooks?.onLook?.(stats)
    const { queuedFrames: queueDepth, connections } = stats
    if (performance.now() - this.#beatTickMs < times.heartbeatMinutes * MS_PER_MINUTE) return
    this.#beatTickMs = performance.now()
    const beat = this.#beats.beat({ queueDepth, reconnects: Math.max(0, connections - 1) })
    // What it counts as received is on the disk: a crash right after the line does not make it a lie.
    this.#journal.sync().then(
      () => hooks?.onHeartbeat?.(beat),
      (error: unknown) => hooks?.onProblem?.('journal', error),
    )
  }

  /** Alerts when regular hours have brought no data for too long; `nowMs` is market time. */
  checkStall(nowMs: number): void {
    if (!this.#session) return
    const { openMs, closeMs } = this.#session
    if (!this.#isExpected && nowMs >= openMs) {
      this.#isExpected = true
      this.#stall?.check(openMs, false)
    }
    const quietMs = this.#stall?.check(nowMs, nowMs >= openMs && nowMs < closeMs)
    if (quietMs !== undefined)
      this.#alert(`no data for ${minutes(quietMs)} minutes of market time`, 'warning')
  }

  #alert(text: string, severity: 'info' | 'warning'): void {
    const session = this.#session?.date ?? ''
    this.#options.hooks?.onAlert?.({ kind: 'stall', severity, text: `stream: ${text}`, fields: { session } })
  }
}

const minutes = (ms: number): number => Math.round(ms / MS_PER_MINUTE)
