import type { TradingSession } from '../../market/calendar/index.ts'
import { createChoice } from '../faults/choice.ts'
import type { Fault } from '../faults/kind.ts'
import { kindOf } from '../faults/parse.ts'
import type { World } from '../world/world.ts'
import type { MarketClock } from './clock.ts'
import type { Cluster } from './clusters.ts'
import type { Connection } from './connection.ts'
import type { DriverFaults } from './driver.ts'
import { createFrameFaults } from './frame-faults.ts'
import type { Window } from './frames.ts'
import { isWithin, momentsOf } from './moments.ts'
import { CLOSE_NORMAL, CLOSE_POLICY, MAX_CONNECTIONS } from './status.ts'

/** Where faults act, and who hears of it. */
export interface SocketFaultsOptions {
  readonly faults: readonly Fault[]
  readonly world: World
  readonly clock: MarketClock
  readonly connections: () => Iterable<Connection>
  readonly onFired: (name: string) => void
}

/** The faults of the live socket. */
export interface SocketFaults extends DriverFaults {
  /** True: a new connection is reset before its handshake. */
  refuses(cluster: Cluster): boolean
  /** True: an authentication fails whatever the key. */
  failsAuth(cluster: Cluster): boolean
}

interface MomentFault {
  readonly fault: Fault
  left: number
  moments(session: TradingSession): readonly Window[]
}

const CLUSTERLESS = 'any'

/** Arms those of `options.faults` that are about the socket. */
export function createSocketFaults(options: SocketFaultsOptions): SocketFaults {
  const { world, clock, connections, onFired } = options
  const moments = options.faults.flatMap((fault, index) => momentFault(fault, index, world.seed))
  const attempts = armed(options.faults, 'attempts', world.seed)
  const frameFaults = createFrameFaults(armed(options.faults, 'frames', world.seed), onFired)
  /** Until when nobody gets in, and until when a market at full speed goes on alone, by cluster. */
  const shutUntilMs = new Map<string, number>()
  const alone = { untilMs: -Infinity }
  let actedMs = -Infinity

  const strike = async (fault: Fault, { toMs }: Window): Promise<boolean> => {
    const targets = [...connections()].filter((target) => isTarget(fault, target))
    if (targets.length === 0) return false
    // At full speed the market waits until clients have read what was sent before.
    if (!clock.paced) await Promise.all(targets.map((target) => target.caughtUp()))
    for (const target of targets) STRIKES[fault.name]!(target, fault, toMs)
    if (fault.name === 'cut' || fault.name === 'close') {
      shutUntilMs.set(String(fault.options['cluster'] ?? CLUSTERLESS), toMs)
    }
    if (LEAVING.has(fault.name)) alone.untilMs = Math.max(alone.untilMs, toMs)
    onFired(fault.name)
    return true
  }
  const attempted = (name: string, cluster: Cluster): boolean => {
    const nowMs = clock.nowMs()
    const session = world.calendar.at(nowMs)
    const hit = attempts.some(
      ({ fault, choice }) =>
        fault.name === name &&
        (fault.options['cluster'] ?? cluster) === cluster &&
        isWithin(fault, session, nowMs) &&
        choice.chooses(cluster),
    )
    if (hit) onFired(name)
    return hit
  }
  return {
    nextBoundary: (ms) => {
      const session = world.calendar.at(ms)
      const starts = session
        ? moments.flatMap((fault) => fault.moments(session).map(({ fromMs }) => fromMs))
        : []
      const ahead = [...starts, ...shutUntilMs.values(), alone.untilMs].filter((at) => at > ms)
      return Math.min(Infinity, ...ahead)
    },
    act: async (ms) => {
      frameFaults.flush(ms)
      const session = world.calendar.at(ms)
      for (const armedFault of session ? moments : []) {
        for (const moment of armedFault.moments(session!)) {
          if (moment.fromMs <= actedMs || moment.fromMs > ms || armedFault.left === 0) continue
          if (await strike(armedFault.fault, moment)) armedFault.left--
        }
      }
      actedMs = ms
    },
    keepsAway: (ms) => ms < alone.untilMs,
    frames: (connection, frame, nowMs) =>
      frameFaults.frames(connection, frame, nowMs, world.calendar.at(nowMs)),
    refuses: (cluster) => {
      const untilMs = Math.max(
        shutUntilMs.get(CLUSTERLESS) ?? -Infinity,
        shutUntilMs.get(cluster) ?? -Infinity,
      )
      return clock.nowMs() < untilMs || attempted('refuse-connect', cluster)
    },
    failsAuth: (cluster) => attempted('auth-failed', cluster),
  }
}

/** Faults after which the clients are gone. */
const LEAVING = new Set(['cut', 'close', 'kick'])

const STRIKES: Readonly<Record<string, (target: Connection, fault: Fault, untilMs: number) => void>> = {
  cut: (target) => target.cut(),
  close: (target) => target.close(CLOSE_NORMAL),
  kick: (target) => target.close(CLOSE_POLICY, MAX_CONNECTIONS),
  silence: (target, { options }, untilMs) => {
    target.silentUntilMs = untilMs
    target.ignoresPings = options['pings'] === 'ignored'
  },
  stall: (target, _fault, untilMs) => {
    target.stalledUntilMs = untilMs
  },
}

const isTarget = ({ options }: Fault, { open, seated, cluster }: Connection): boolean =>
  open && seated && (options['cluster'] ?? cluster) === cluster

function momentFault(fault: Fault, index: number, seed: number): MomentFault[] {
  if (kindOf(fault).socket !== 'moment') return []
  let known: { readonly date: string; readonly moments: readonly Window[] } | undefined
  return [
    {
      fault,
      left: Number(fault.options['first'] ?? Infinity),
      moments: (session) => {
        if (known?.date !== session.date) {
          known = { date: session.date, moments: momentsOf(fault, index, seed, session) }
        }
        return known.moments
      },
    },
  ]
}

function armed(faults: readonly Fault[], point: 'frames' | 'attempts', seed: number) {
  return faults
    .map((fault, index) => ({ fault, choice: createChoice(fault, index, seed) }))
    .filter(({ fault }) => kindOf(fault).socket === point)
}
