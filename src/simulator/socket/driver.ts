import { setImmediate as nextTurn } from 'node:timers/promises'
import { MS_PER_MINUTE } from '../../market/time.ts'
import { AM_DELAY_MS } from './bar-events.ts'
import { type MarketClock, pause } from './clock.ts'
import type { Connection } from './connection.ts'
import { type Feed, FINE_CHANNELS, floorTo } from './feed.ts'
import { CLOSE_POLICY, SLOW_CONSUMER } from './status.ts'

/** What may go wrong while events are sent. */
export interface DriverFaults {
  /** The first instant after `ms` at which a fault begins or ends, or Infinity. */
  nextBoundary(ms: number): number
  /** Lets faults that begin or end at `ms` act; called once the events up to then are sent. */
  act(ms: number): Promise<void>
  /** True while a fault keeps clients away at `ms`: an unpaced market then goes on without them. */
  keepsAway(ms: number): boolean
  /** `frame` as it is really sent. */
  frames(connection: Connection, frame: Buffer, nowMs: number): readonly Buffer[]
}

export interface DriverOptions {
  readonly clock: MarketClock
  readonly feed: Feed
  readonly faults: DriverFaults
  readonly connections: ReadonlySet<Connection>
  /** Subscribed connections without which the clock does not start (and, unpaced, not move). */
  readonly subscribers: number
  /** Subscribers that said goodbye so far: the market goes on without them, while there is another one. */
  readonly left: () => number
  /** An unpaced clock stops here, ms since the epoch. */
  readonly untilMs: number
  /** Bytes a paced feed keeps for a client that does not read, before it is thrown off. */
  readonly slowConsumerBytes: number
}

/** Moves the market on and sends what happens in it. */
export interface Driver {
  /** Starts the clock without waiting for anybody. */
  start(): void
  /** To be called when a connection comes, goes or changes its subscriptions. */
  changed(): void
  /** Resolves when everything up to market time `ms` has been sent. */
  reached(ms: number): Promise<void>
  counts(): DriverCounts
  stop(): void
}

export interface DriverCounts {
  readonly frames: number
  readonly events: number
  /** Connections closed because they did not read. */
  readonly slowConsumers: number
}

/** Real time without a new subscription after which a client is taken to be ready. */
const SETTLE_MS = 30
const LOOK_MS = 5

/** The driver of a simulator's socket side. It does nothing before the first connection. */
export function createDriver(options: DriverOptions): Driver {
  const { clock, feed, faults, connections } = options
  const stopped = new AbortController()
  let wake = new AbortController()
  let told = options.subscribers === 0
  let running = false
  let changedMs = 0
  let sentUntilMs = -Infinity
  const counts = { frames: 0, events: 0, slowConsumers: 0 }

  const ready = (): boolean => {
    if (told) return true
    const subscribed = [...connections].filter(({ open, subscriptions }) => open && !subscriptions.empty)
    const needed = clock.started ? Math.max(1, options.subscribers - options.left()) : options.subscribers
    return subscribed.length >= needed && performance.now() - changedMs >= SETTLE_MS
  }
  /** A paced clock waits to be started; an unpaced one also for readers, and it has an end. */
  const mayMove = async (fromMs: number): Promise<void> => {
    while (!stopped.signal.aborted) {
      if (!clock.started && ready()) clock.start()
      const free = clock.paced || (fromMs < options.untilMs && (faults.keepsAway(fromMs) || ready()))
      if (clock.started && free) return
      await pause(LOOK_MS, stopped.signal)
    }
  }
  const deliver = (connection: Connection, fromMs: number, toMs: number): void => {
    if (!connection.open) return
    connection.release(toMs)
    const due = feed.frames(connection, { fromMs, toMs })
    counts.events += due.events
    for (const frame of due.frames) {
      for (const sent of faults.frames(connection, frame, toMs)) {
        counts.frames++
        connection.deliver(sent, toMs)
      }
    }
    if (clock.paced && connection.bufferedBytes > options.slowConsumerBytes) {
      counts.slowConsumers++
      connection.close(CLOSE_POLICY, SLOW_CONSUMER)
    }
  }
  const step = async (fromMs: number): Promise<number> => {
    await mayMove(fromMs)
    wake = new AbortController()
    const nextMs = Math.min(nextStep(fromMs, options), faults.nextBoundary(fromMs), endOf(options, fromMs))
    await clock.reach(nextMs, wake.signal)
    const toMs = Math.min(nextMs, clock.nowMs())
    if (stopped.signal.aborted || toMs <= fromMs) return toMs
    for (const connection of connections) deliver(connection, fromMs, toMs)
    await faults.act(toMs)
    // At full speed nobody gets in before a fault that keeps clients away is over.
    if (!clock.paced && faults.keepsAway(toMs)) return toMs
    await nextTurn()
    if (!clock.paced) await Promise.all([...connections].map((connection) => connection.ready()))
    return toMs
  }
  const run = async (): Promise<void> => {
    sentUntilMs = clock.nowMs()
    while (!stopped.signal.aborted) sentUntilMs = await step(sentUntilMs)
  }
  const begin = (): void => {
    if (running) return
    running = true
    void run()
  }
  const stop = (): void => {
    stopped.abort()
    wake.abort()
  }
  if (told && !clock.paced) begin()
  if (told) clock.start()
  return {
    start: () => {
      told = true
      clock.start()
      begin()
    },
    changed: () => {
      changedMs = performance.now()
      begin()
      wake.abort()
    },
    reached: async (ms) => {
      begin()
      while (sentUntilMs < ms && !stopped.signal.aborted) await pause(LOOK_MS, stopped.signal)
    },
    counts: () => counts,
    stop,
  }
}

/** The end of an unpaced market, while it is ahead. */
const endOf = ({ clock, untilMs }: DriverOptions, fromMs: number): number =>
  !clock.paced && untilMs > fromMs ? untilMs : Infinity

/** When something may be due next: every quarter of a second for ticks, every second for second bars. */
function nextStep(fromMs: number, { connections, feed }: DriverOptions): number {
  let stepMs = MS_PER_MINUTE
  for (const { open, lagMs, subscriptions } of connections) {
    if (!open || !FINE_CHANNELS.some((channel) => subscriptions.has(channel))) continue
    if (!feed.busyAt(fromMs - lagMs)) continue
    const ticks = subscriptions.has('T') || subscriptions.has('Q') || subscriptions.has('V')
    stepMs = Math.min(stepMs, ticks ? 250 : 1000)
  }
  const minuteMs = floorTo(fromMs - AM_DELAY_MS, MS_PER_MINUTE) + MS_PER_MINUTE + AM_DELAY_MS
  return Math.min(minuteMs, floorTo(fromMs, stepMs) + stepMs)
}
