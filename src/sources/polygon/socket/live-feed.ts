import { abortError } from '../../../core/abort.ts'
import { BoundedQueue } from '../../../core/bounded-queue.ts'
import { systemClock, type Clock } from '../../../core/clock.ts'
import type { PipelineError } from '../../../core/errors.ts'
import { createRedactor } from '../../../core/redact.ts'
import { BackOff, DEFAULT_BACK_OFF } from './back-off.ts'
import { Connection } from './connection.ts'
import { reasonToWait } from './failures.ts'
import type {
  ConnectionEnd,
  LiveFeed,
  LiveFeedEvents,
  LiveFeedOptions,
  LiveFeedStats,
  LiveFeedTimeouts,
  LiveFrame,
} from './feed-contract.ts'
import { delayedUrlOf, socketUrl } from './hosts.ts'
import { WantedParams } from './subscriptions.ts'

export type * from './feed-contract.ts'

const DEFAULT_TIMEOUTS: LiveFeedTimeouts = {
  connectMs: 10_000,
  authMs: 10_000,
  ackMs: 10_000,
  pingMs: 20_000,
  pongDeadlineMs: 15_000,
}
const DEFAULTS = {
  maxConnectionsWaitMs: 60_000,
  healthyAfterMs: 10_000,
  maxFrameBytes: 8 * 2 ** 20,
  highWaterBytes: 64 * 2 ** 20,
  highWaterFrames: 200_000,
  paramsPerMessage: 100,
}

/**
 * Opens the live events of one cluster; see {@link LiveFeed}. Nothing is awaited here: what becomes of it is told
 * by `events` and by `frames()`.
 *
 * @param signal ends it at once: the line is cut and `frames()` throws
 * @throws {ConfigError} when `url` is no address of a socket
 * @throws {UsageError} when `params` cannot be subscribed
 */
export function openLiveFeed(options: LiveFeedOptions, signal: AbortSignal): LiveFeed {
  return new ReconnectingFeed(options, signal)
}

class ReconnectingFeed implements LiveFeed {
  readonly #options: LiveFeedOptions & typeof DEFAULTS
  readonly #events: LiveFeedEvents
  readonly #clock: Clock
  readonly #clean: (text: string) => string
  readonly #wanted: WantedParams
  readonly #queue: BoundedQueue<LiveFrame>
  readonly #backOff: BackOff
  /** Ends waits and attempts when the feed is closed or its signal aborts. */
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #url: string
  #delayed: boolean
  /** What the real-time host said before the delayed host was asked. */
  #refusal: PipelineError | undefined
  #connection: Connection | undefined
  #attempts = 0
  #authenticated = 0
  #frames = 0
  #bytes = 0
  #pauses = 0
  #pausedMs = 0
  #pausedSinceTickMs: number | undefined

  constructor(options: LiveFeedOptions, signal: AbortSignal) {
    this.#options = { ...DEFAULTS, ...options }
    this.#events = options.events ?? {}
    this.#clock = options.clock ?? systemClock
    const redactor = createRedactor([options.apiKey])
    this.#clean = (text) => redactor.text(text)
    this.#url = socketUrl(options.url, options.cluster)
    this.#delayed = delayedUrlOf(options.url) === undefined
    this.#wanted = new WantedParams(options.cluster)
    this.#wanted.add(options.params ?? [])
    this.#queue = this.#makeQueue()
    this.#backOff = new BackOff({ ...DEFAULT_BACK_OFF, ...options.backOff }, options.random ?? Math.random)
    this.#running = this.#run(signal)
  }

  get wanted(): readonly string[] {
    return this.#wanted.params
  }

  subscribe(params: readonly string[]): void {
    const added = this.#wanted.add(params)
    this.#connection?.request('subscribe', added)
  }

  unsubscribe(params: readonly string[]): void {
    const removed = this.#wanted.remove(params)
    this.#connection?.request('unsubscribe', removed)
  }

  frames(): AsyncIterable<LiveFrame> {
    return this.#queue
  }

  stats(): LiveFeedStats {
    const sinceTickMs = this.#pausedSinceTickMs
    return {
      frames: this.#frames,
      bytes: this.#bytes,
      queuedFrames: this.#queue.length,
      queuedBytes: this.#queue.weight,
      highestQueuedBytes: this.#queue.highestWeight,
      pauses: this.#pauses,
      pausedMs: this.#pausedMs + (sinceTickMs === undefined ? 0 : performance.now() - sinceTickMs),
      connections: this.#authenticated,
      connected: this.#connection?.isLive ?? false,
      delayed: this.#delayed,
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#connection?.stop(false)
    await this.#running
  }

  #makeQueue(): BoundedQueue<LiveFrame> {
    const { highWaterBytes, highWaterFrames } = this.#options
    return new BoundedQueue<LiveFrame>({
      weigh: ({ payload }) => payload.length,
      maxWeight: highWaterBytes,
      maxItems: highWaterFrames,
      onFull: () => this.#pause(),
      onRoom: () => this.#resume(),
    })
  }

  /** Connects again and again until there is a reason to end; never rejects. */
  async #run(signal: AbortSignal): Promise<void> {
    const abort = (): void => {
      this.#queue.fail(abortError(signal))
      this.#stop.abort()
      this.#connection?.stop(true)
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    try {
      let failure: Error | undefined
      while (!this.#stop.signal.aborted && !failure) failure = await this.#once()
      this.#queue.end(failure)
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** One connection and the wait after it. Returns what ends the feed. */
  async #once(): Promise<Error | undefined> {
    const startedTickMs = performance.now()
    const end = await this.#connect()
    const { disconnected } = end
    if (this.#stop.signal.aborted) return undefined
    this.#events.onDisconnected?.(disconnected)
    if (end.fatal) return this.#tryDelayedHost(end) ? undefined : this.#verdict(end.fatal)
    const livedMs = performance.now() - startedTickMs
    if (livedMs >= this.#options.healthyAfterMs && disconnected.lastFrameMs !== undefined)
      this.#backOff.reset()
    const evicted = disconnected.cause === 'max_connections'
    const waitMs = this.#backOff.next(evicted ? this.#options.maxConnectionsWaitMs : 0)
    const why = reasonToWait(disconnected.cause, disconnected.reason)
    this.#events.onReconnecting?.({ waitMs, attempt: this.#backOff.attempt, why })
    await this.#clock.sleep(waitMs, this.#stop.signal).catch(() => undefined) // the loop sees the end
    return undefined
  }

  async #connect(): Promise<ConnectionEnd> {
    const { apiKey, maxFrameBytes, paramsPerMessage, timeouts } = this.#options
    const connection = new Connection({
      ...{ url: this.#url, delayed: this.#delayed, number: ++this.#attempts },
      ...{ apiKey, maxFrameBytes, paramsPerMessage, events: this.#events },
      timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
      clock: this.#clock,
      clean: this.#clean,
      onFrame: (frame) => this.#accept(frame),
      onLive: () => {
        this.#authenticated++
        connection.request('subscribe', this.#wanted.params)
        if (this.#queue.full) connection.pause()
      },
    })
    this.#connection = connection
    try {
      return await connection.ended
    } finally {
      this.#connection = undefined
    }
  }

  /** A key without real-time data is refused on the real-time host just like a wrong one: asks elsewhere, once. */
  #tryDelayedHost({ disconnected, fatal }: ConnectionEnd): boolean {
    const { delayedUrl = delayedUrlOf(this.#options.url), cluster } = this.#options
    if (this.#delayed || delayedUrl == null || fatal?.code !== 'AUTHENTICATION') return false
    this.#delayed = true
    this.#refusal = fatal
    this.#url = socketUrl(delayedUrl, cluster)
    this.#events.onDelayedHost?.({ url: this.#url, message: disconnected.reason })
    return true
  }

  /** Where there is no delayed host after all, what the real-time host said stands. */
  #verdict(fatal: PipelineError): PipelineError {
    return fatal.code === 'NOT_FOUND' ? (this.#refusal ?? fatal) : fatal
  }

  #accept(frame: LiveFrame): void {
    this.#frames++
    this.#bytes += frame.payload.length
    this.#queue.push(frame)
  }

  #pause(): void {
    this.#pauses++
    this.#pausedSinceTickMs = performance.now()
    this.#connection?.pause()
    this.#events.onPaused?.({ paused: true, queuedBytes: this.#queue.weight })
  }

  #resume(): void {
    this.#pausedMs += performance.now() - (this.#pausedSinceTickMs ?? performance.now())
    this.#pausedSinceTickMs = undefined
    this.#connection?.resume()
    this.#events.onPaused?.({ paused: false, queuedBytes: this.#queue.weight })
  }
}
