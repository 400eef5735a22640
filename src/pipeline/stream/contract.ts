import type { Alert } from '../../monitor/alerts.ts'
import type { Heartbeat } from '../../monitor/heartbeat.ts'
import type { CellState } from '../../lake/ledger.ts'
import type { SeriesId } from '../../lake/layout.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import type { HistorySource } from '../../sources/history.ts'
import type { LiveFeed, LiveFeedEvents } from '../../sources/polygon/socket/feed-contract.ts'
import type { FrameParser, LiveRows } from '../../sources/polygon/socket/frame-parser.ts'
import type { StreamLake } from './cell.ts'
import type { Channel, LiveCluster } from './channels.ts'
import type { StreamHole } from './holes.ts'

/** The vendor whose feed is recorded. */
export interface StreamVendor {
  readonly history: HistorySource
  /** Connects and subscribes `params`; see LiveFeed. */
  openFeed(params: readonly string[], events: LiveFeedEvents, signal: AbortSignal): LiveFeed
  /** Reads frames as they came off the socket. */
  createParser(): FrameParser
  /** Looks at the fields of live rows; returns why they are all to be refused, if they are. */
  observe?(rows: LiveRows): string | undefined
  /** What the vendor's clock says, ms since the epoch. @throws {VendorError} */
  now(signal: AbortSignal): Promise<number>
}

export interface StreamTimes {
  /** What is received is on the disk after this time at the latest: the most that a crash can lose. */
  readonly fsyncMs: number
  /** Rows received, or seconds passed, after which they are committed to the lake. */
  readonly flushRows: number
  readonly flushSeconds: number
  readonly heartbeatMinutes: number
  /** Market minutes without data in regular hours that are worth an alert. */
  readonly stallMinutes: number
  /** Between two attempts to close holes. */
  readonly repairDelayMs: number
  /** Market time after which REST has what happened. */
  readonly publicationSeconds: number
  /** Longest time to close holes after an interruption. */
  readonly drainSeconds: number
  /** Longest time to wait for the final rows after the session. */
  readonly reconcileSeconds: number
  /** Replay only: quiet after which the vendor's clock is asked whether the session is over. */
  readonly replayQuietMs: number
  /** Replay only: longest wait for a first event while the vendor's clock shows a closed market. */
  readonly replayWaitSeconds: number
}

export interface StreamOptions {
  readonly lake: StreamLake
  readonly vendor: StreamVendor
  readonly cluster: LiveCluster
  readonly channels: readonly Channel[]
  /** Symbols to subscribe: tickers, or contracts `O:…`. */
  readonly symbols: readonly string[]
  /** What is to be recorded: one of each channel's dataset and ticker (options: underlying). */
  readonly series: readonly SeriesId[]
  /** Nothing trades before the open: what lies before it is no hole. */
  readonly regularHoursOnly?: boolean
  /** The session to record; undefined: the one under way, or the next one today. Of a replay the events tell it. */
  readonly date: string | undefined
  /** True: hours are not enforced, and the events tell the market time. */
  readonly ignoreHours: boolean
  /** The present instant, ms since the epoch. */
  readonly now: () => number
  readonly times: StreamTimes
  /** Ask for this to stop: what was received is committed, known holes are closed within `drainSeconds`. */
  readonly graceful: AbortSignal
  /** Ask for this to stop at once: the journal keeps what was received. */
  readonly immediate: AbortSignal
  readonly hooks?: StreamHooks
}

/** What a watcher may want to know. */
export interface StreamHooks {
  onRecovered?(event: { readonly rows: number; readonly lostBytes: number }): void
  onWaiting?(event: { readonly session: TradingSession; readonly waitMs: number }): void
  /** A replay to which nothing came yet; `session`: what it waits for, undefined in a closed market. */
  onReplayWaiting?(event: { readonly clockMs: number; readonly session: TradingSession | undefined }): void
  onSession?(session: TradingSession): void
  onFeed?: LiveFeedEvents
  /** Rows came over the socket, `lagMs` after they happened. */
  onReceived?(event: { readonly rows: number; readonly lagMs: number }): void
  /** Some times a second: frames that wait to be read, and connections made so far. */
  onLook?(event: { readonly queuedFrames: number; readonly connections: number }): void
  onHole?(hole: StreamHole): void
  onHoleClosed?(hole: StreamHole): void
  onFlushed?(event: { readonly rows: number; readonly ms: number }): void
  onHeartbeat?(beat: Heartbeat): void
  onAlert?(alert: Alert): void
  /** Something failed that will be tried again. */
  onProblem?(what: string, error: unknown): void
}

/** What became of one series in one session. */
export interface StreamedCell {
  readonly dataset: string
  readonly ticker: string
  readonly date: string
  readonly state: CellState
  readonly reason: string
  /** Rows that the lake holds of it. */
  readonly rows: number
  /** Rows received live, repeats included. */
  readonly received: number
  readonly refused: number
  /** Rows that came after the cell was complete: merged into it, or too late and in quarantine. */
  readonly late: { readonly merged: number; readonly quarantined: number }
}

/** How a stream ended. */
export type StreamEnd = 'session_over' | 'interrupted' | 'closed' | 'failed'

export interface StreamSummary {
  readonly end: StreamEnd
  /** Why nothing was recorded, where the market is closed. */
  readonly reason: string | undefined
  readonly session: string | undefined
  readonly cells: readonly StreamedCell[]
  readonly holes: readonly StreamHole[]
  readonly frames: number
  /** Rows received live. */
  readonly rows: number
  readonly unknown: number
  readonly malformed: number
  readonly refused: number
  readonly strays: number
  readonly reconnects: number
  readonly calls: number
  /** Rows found in journals of an earlier run. */
  readonly recovered: number
  /** What ended it, where it failed. */
  readonly failure: Error | undefined
}
