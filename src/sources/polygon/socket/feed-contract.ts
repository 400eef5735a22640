import type { Clock } from '../../../core/clock.ts'
import type { PipelineError } from '../../../core/errors.ts'

/** One socket per asset class. */
export type Cluster = 'stocks' | 'options' | 'indices'

/** One WebSocket message as it came off the wire, not looked into. */
export interface LiveFrame {
  /** JSON text: an array of events. */
  readonly payload: Buffer
  /** When it was taken off the socket: milliseconds since the Unix epoch, UTC, of the feed's clock. */
  readonly receivedMs: number
  /** The same by the monotonic clock (`performance.now()`), for durations. */
  readonly receivedTickMs: number
  /** Which connection brought it: 1, 2, …; a change means that events may be missing in between. */
  readonly connection: number
}

/**
 * The live events of one cluster. It connects at once and stays connected, whatever happens, until it is closed,
 * its signal aborts, or the vendor refuses the key for good.
 *
 * Overflow: frames wait in a queue. Once it holds `highWaterBytes` or `highWaterFrames`, the TCP socket is no
 * longer read until the queue has half emptied. Nothing accepted is ever dropped: the vendor sees a slow reader,
 * and may end the connection for it (`slow_consumer`). What was read from the socket before it was paused (one
 * chunk of 64 KiB at most) still comes on top of the mark.
 */
export interface LiveFeed {
  /**
   * Adds parameters such as `AM.SPY` or `A.O:SPY250103C00585000` to what is wanted. They are subscribed at once
   * if the feed is connected, and again after every reconnect.
   *
   * @throws {UsageError} when one cannot be a parameter, or they are more than one connection may have
   */
  subscribe(params: readonly string[]): void
  /** Takes parameters off what is wanted. */
  unsubscribe(params: readonly string[]): void
  /** What is wanted now, in the order in which it was asked for. */
  readonly wanted: readonly string[]
  /**
   * Frames in the order of arrival; frames of nothing but status events are not among them. One reader only.
   * Ends after `close`, once the queue is empty.
   *
   * @throws what ended the feed: {@link AuthenticationError}, {@link EntitlementError} or {@link NotFoundError}
   *   after the last frame; what the signal holds at once, even with frames left
   */
  frames(): AsyncIterable<LiveFrame>
  /** Counters since the feed was opened. */
  stats(): LiveFeedStats
  /** Says goodbye and stops receiving; frames already accepted can still be read. Resolves once the socket is gone. */
  close(): Promise<void>
}

/** Counters of a {@link LiveFeed}; bytes are those of payloads. */
export interface LiveFeedStats {
  readonly frames: number
  readonly bytes: number
  readonly queuedFrames: number
  readonly queuedBytes: number
  /** The most that ever waited. */
  readonly highestQueuedBytes: number
  /** How often, and for how long, the socket was not read because the queue was full. */
  readonly pauses: number
  readonly pausedMs: number
  /** Connections that got through authentication. */
  readonly connections: number
  /** True while authenticated. */
  readonly connected: boolean
  /** True on the host whose events are 15 minutes late. */
  readonly delayed: boolean
}

/**
 * Why a connection ended:
 * - `unreachable`     it never stood: refused, reset, DNS, TLS, no answer in time, HTTP 5xx
 * - `handshake`       it stood, but the vendor's greeting or its answer to the key did not come in time
 * - `auth`            the vendor refused the key, or said that it did not come in time
 * - `cut`             the connection broke without a goodbye
 * - `clean_close`     the vendor said goodbye (close frame)
 * - `silence`         no answer to a ping within the deadline
 * - `max_connections` the account has another connection; usually another process with the same key
 * - `kicked`          the vendor ended it on purpose (`force_disconnect`)
 * - `slow_consumer`   the vendor ended it because events were not read fast enough
 * - `protocol`        what came is not WebSocket, or a frame larger than `maxFrameBytes`
 */
export type DisconnectCause =
  | 'unreachable'
  | 'handshake'
  | 'auth'
  | 'cut'
  | 'clean_close'
  | 'silence'
  | 'max_connections'
  | 'kicked'
  | 'slow_consumer'
  | 'protocol'

/** The end of one connection, or of an attempt at one. */
export interface Disconnected {
  readonly cause: DisconnectCause
  /** WebSocket close code, 1006 when no close frame came; undefined where none stood. */
  readonly code: number | undefined
  /** The vendor's words if there were any, else the system's; without the key. */
  readonly reason: string
  /** Which connection it was; see {@link LiveFrame.connection}. */
  readonly connection: number
  /** When it ended, ms since the epoch. */
  readonly atMs: number
  /** When its last frame of events came, ms since the epoch; undefined: none came. */
  readonly lastFrameMs: number | undefined
  /** True where it had been authenticated. */
  readonly authenticated: boolean
}

/** What the feed tells whoever watches it. It logs nothing itself; nothing here ever holds the key. */
export interface LiveFeedEvents {
  /** The vendor greeted. */
  readonly onConnected?: (event: { readonly connection: number; readonly url: string }) => void
  /** The key was accepted. `delayed`: this host's events are 15 minutes late. */
  readonly onAuthenticated?: (event: { readonly connection: number; readonly delayed: boolean }) => void
  /** The real-time host refused the key; the delayed host is asked from now on. */
  readonly onDelayedHost?: (event: { readonly url: string; readonly message: string }) => void
  /** The vendor confirmed a subscription, or its end. */
  readonly onAck?: (event: { readonly param: string; readonly action: SubscriptionAction }) => void
  /** The vendor refused a parameter (mostly: the plan lacks it); the others go on. `param`: '' if it did not say. */
  readonly onRefused?: (event: { readonly param: string; readonly message: string }) => void
  /** No answer came for these within `ackMs`. They may work all the same: duplicates are not answered. */
  readonly onUnanswered?: (event: { readonly params: readonly string[] }) => void
  readonly onDisconnected?: (event: Disconnected) => void
  /** The next attempt is made after this wait. `why` is a sentence for people. */
  readonly onReconnecting?: (event: {
    readonly waitMs: number
    readonly attempt: number
    readonly why: string
  }) => void
  /** The queue is full (true): the socket is not read until it has half emptied (false). */
  readonly onPaused?: (event: { readonly paused: boolean; readonly queuedBytes: number }) => void
  /** A status event that this program does not know. */
  readonly onUnknown?: (event: { readonly status: string; readonly message: string }) => void
}

export type SubscriptionAction = 'subscribe' | 'unsubscribe'

export interface LiveFeedOptions {
  /** Where the vendor's sockets are, without the cluster: `wss://socket.polygon.io`, `ws://127.0.0.1:4321`. */
  readonly url: string
  /** The same for events 15 minutes late; default see {@link delayedUrlOf}; null = never go there. */
  readonly delayedUrl?: string | null
  readonly cluster: Cluster
  /** Sent in a message after the greeting, never in the address. */
  readonly apiKey: string
  /** Parameters wanted from the beginning. */
  readonly params?: readonly string[]
  readonly timeouts?: Partial<LiveFeedTimeouts>
  readonly backOff?: Partial<BackOffOptions>
  /** Wait after `max_connections`, at least, ms; default 60,000. */
  readonly maxConnectionsWaitMs?: number
  /** A connection that lived as long and brought events ends the back-off, ms; default 10,000. */
  readonly healthyAfterMs?: number
  /** Larger messages end the connection; default 8 MiB (the vendor stays below 1 MB). */
  readonly maxFrameBytes?: number
  /** The queue's marks; default 64 MiB and 200,000 frames. */
  readonly highWaterBytes?: number
  readonly highWaterFrames?: number
  /** Parameters in one subscribe message; default 100. */
  readonly paramsPerMessage?: number
  readonly events?: LiveFeedEvents
  readonly clock?: Clock
  /** 0 (inclusive) to 1 (exclusive), for the jitter; default Math.random. */
  readonly random?: () => number
}

export interface LiveFeedTimeouts {
  /** For DNS, TCP, TLS and the upgrade; default 10,000. */
  readonly connectMs: number
  /** For the greeting, and again for the answer to the key; default 10,000. */
  readonly authMs: number
  /** For the answers to a subscription; default 10,000. */
  readonly ackMs: number
  /** Between pings; default 20,000. */
  readonly pingMs: number
  /** For any sign of life after a ping; default 15,000. */
  readonly pongDeadlineMs: number
}

export interface BackOffOptions {
  /** Wait before the first attempt after a failure, ms; default 500. Doubles with every further one. */
  readonly baseMs: number
  /** Longest wait, ms; default 60,000. */
  readonly maxMs: number
  /** Part of the wait that is left to chance, 0 to 1: 1000 with 0.3 lasts 700 to 1000; default 0.3. */
  readonly jitter: number
}

/** How one connection ended, and whether that ends the feed. */
export interface ConnectionEnd {
  readonly disconnected: Disconnected
  /** Set where another attempt cannot help. */
  readonly fatal?: PipelineError
}
