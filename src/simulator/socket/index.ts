import type { Server } from 'node:http'
import { NEW_YORK } from '../../market/time.ts'
import type { Fault } from '../faults/kind.ts'
import type { Plan } from '../plans.ts'
import type { World } from '../world/world.ts'
import type { MarketClock, Speed } from './clock.ts'
import { createDriver, type DriverCounts } from './driver.ts'
import { createSocketFaults } from './faults.ts'
import { createFeed } from './feed.ts'
import { createFirehose, type FirehoseOptions } from './firehose.ts'
import { type HubCounts, openHub } from './hub.ts'

export type { FirehoseOptions } from './firehose.ts'
export { createMarketClock, type MarketClock, type Speed } from './clock.ts'

/** The WebSocket side of a simulator; every option may be left out. */
export interface SocketOptions {
  /**
   * How fast market time passes: 1 = real time (default); `max` (or 0) = as fast as the readers take it,
   * and not at all while fewer than `startOnSubscribe` are subscribed, apart from those that said goodbye.
   */
  readonly speed?: Speed
  /** Market time before the clock starts, ms since the epoch; default: the real time. */
  readonly startMs?: number
  /**
   * How many subscribed connections the market waits for before it starts; true = 1, false = none.
   * Default: 1 at `max` speed, else none. `startMarket()` starts it in any case.
   */
  readonly startOnSubscribe?: boolean | number
  /** Where a market at `max` speed ends, ms since the epoch; default: midnight New York after the start. */
  readonly untilMs?: number
  /** Share of the minute bars of stocks that come again with other values; default 0.005. */
  readonly lateBars?: number
  /** Connections of one key on one cluster; default 1. */
  readonly maxConnections?: number
  /** Who is closed when there is one too many; default `older`. */
  readonly evict?: 'older' | 'newcomer'
  /** Real time in which a client must authenticate, ms; default 10,000. */
  readonly authTimeoutMs?: number
  /** Bytes kept for a client that does not read, before it is thrown off; default 16 MiB. */
  readonly slowConsumerBytes?: number
  /** A flood of synthetic events in place of the market, for benchmarks. */
  readonly firehose?: FirehoseOptions
}

/** What was done over WebSockets so far. */
export type SocketStats = HubCounts & DriverCounts

/** The running socket side. */
export interface SocketSide {
  startMarket(): void
  /** Resolves when everything up to market time `ms` has been sent. */
  marketReached(ms: number): Promise<void>
  stats(): SocketStats
  close(): void
}

interface Surroundings {
  readonly server: Server
  readonly world: World
  readonly plan: Plan
  readonly keys: ReadonlySet<string> | undefined
  readonly clock: MarketClock
  readonly faults: readonly Fault[]
  readonly onFault: (name: string) => void
}

/** Lets `server` take WebSockets, with events of the same world and clock as the REST side. */
export function openSockets(options: SocketOptions, surroundings: Surroundings): SocketSide {
  const { server, world, plan, keys, clock } = surroundings
  const faults = createSocketFaults({
    ...{ world, clock },
    faults: surroundings.faults,
    connections: () => hub.connections,
    onFired: surroundings.onFault,
  })
  const firehose = options.firehose && createFirehose(options.firehose)
  const hub = openHub(server, {
    plan,
    keys,
    clock,
    maxConnections: options.maxConnections ?? 1,
    evict: options.evict ?? 'older',
    authTimeoutMs: options.authTimeoutMs ?? 10_000,
    refuses: (cluster) => faults.refuses(cluster),
    failsAuth: (cluster) => faults.failsAuth(cluster),
    onChange: () => {
      if (firehose) for (const connection of hub.connections) firehose.open(connection)
      else driver.changed()
    },
  })
  const driver = createDriver({
    clock,
    feed: createFeed(world, { ratio: options.lateBars ?? 0.005, seed: world.seed }),
    faults,
    connections: hub.connections,
    subscribers: Number(options.startOnSubscribe ?? !clock.paced),
    left: () => hub.counts().left,
    untilMs: options.untilMs ?? endOfDay(clock.nowMs()),
    slowConsumerBytes: options.slowConsumerBytes ?? 16 * 1024 * 1024,
  })
  return {
    startMarket: () => driver.start(),
    marketReached: (ms) => driver.reached(ms),
    stats: () => ({ ...hub.counts(), ...driver.counts(), ...(firehose && { events: firehose.sent() }) }),
    close: () => {
      driver.stop()
      firehose?.stop()
      hub.close()
    },
  }
}

/** Midnight in New York after `ms`. */
const endOfDay = (ms: number): number => NEW_YORK.toUtcMs(NEW_YORK.daysAt(ms) + 1, 0)
