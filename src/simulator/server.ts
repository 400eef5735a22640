import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, UsageError } from '../core/errors.ts'
import { admit, answer, type Answering, keyOf, requestIdOf } from './answering.ts'
import { Refusal } from './call.ts'
import { createInjector, type Sent } from './faults/inject.ts'
import { type Fault, isWhole, WHOLE } from './faults/kind.ts'
import { planNamed, type PlanName } from './plans.ts'
import { createRateLimit } from './rate-limit.ts'
import { matchRoute } from './routes.ts'
import { send } from './send.ts'
import {
  createMarketClock,
  type MarketClock,
  openSockets,
  type SocketOptions,
  type SocketStats,
} from './socket/index.ts'
import { type SimulatorStats, StatsCounter } from './stats.ts'
import { createWorld, type World } from './world/world.ts'

const MINUTE_MS = 60_000
const KEEP_ALIVE_MS = 75_000
const PUBLICATION_DELAY_MS = 5000

/** How a simulator is started; every option may be left out. The live socket has its own. */
export interface SimulatorOptions extends SocketOptions {
  /** TCP port; 0 = any free one (default). */
  readonly port?: number
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string
  /** Decides every number of the market; default 1. */
  readonly seed?: number
  /** API keys that are accepted; default: any that is not empty. */
  readonly keys?: readonly string[]
  /** The subscription to imitate: calls per minute, history, delay, products; default `unlimited`. */
  readonly plan?: PlanName
  /** Overrides the plan's calls per minute; 0 = no limit. Counted on the real clock. */
  readonly callsPerMinute?: number
  /** Window in which calls are counted, for the limit and the statistics, ms; default 60,000. Not the vendor's. */
  readonly rateWindowMs?: number
  /**
   * The simulated wall clock, ms since the epoch; nothing later exists. Default: the real one, or the one
   * that `startMs` and `speed` describe.
   */
  readonly now?: () => number
  /** How long REST keeps back what happened last, ms; default 5,000 with `startMs` or `speed`, else 0. */
  readonly publicationDelayMs?: number
  /** What goes wrong, in the order given; see `parseFault`. Default: nothing. */
  readonly faults?: readonly Fault[]
  /** Wait before every answer, milliseconds; default 0. */
  readonly latencyMs?: number
}

/** A running simulator. */
export interface Simulator {
  /** `http://127.0.0.1:43210`, without a trailing slash. */
  readonly url: string
  /** `ws://127.0.0.1:43210`, without a trailing slash; clusters are `/stocks`, `/delayed/stocks`, … */
  readonly wsUrl: string
  readonly port: number
  stats(): SimulatorStats
  socketStats(): SocketStats
  /** The simulated wall clock, ms since the epoch. REST and sockets share it. */
  marketNow(): number
  /** Starts a market clock that waits for subscribers. */
  startMarket(): void
  /** Resolves when all socket events up to market time `ms` have been sent. */
  marketReached(ms: number): Promise<void>
  /** Stops listening and cuts every connection. */
  close(): Promise<void>
}

/**
 * Starts a server that speaks the vendor's REST API over seeded, synthetic data. Every answer says so in
 * the header `X-Tapelake-Simulator`.
 *
 * @throws {UsageError} for an unknown plan, or a port that cannot be had
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { port = 0, host = '127.0.0.1', seed = 1, latencyMs = 0, rateWindowMs = MINUTE_MS } = options
  const stats = new StatsCounter(rateWindowMs)
  const world = createWorld(seed)
  const clock = clockOf(options)
  const answerTo = createAnswerer(options, { world, clock, stats })

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = targetOf(request)
    if (!target) {
      response.writeHead(400).end()
      return
    }
    const requestId = requestIdOf(seed, target)
    const sent = answerTo(target, request.headers.authorization, requestId)
    stats.answered(isWhole(sent.wire) ? sent.answer.status : 0)
    if (latencyMs > 0) await sleep(latencyMs)
    response.setHeader('X-Tapelake-Simulator', `seed=${seed}`)
    response.setHeader('X-Request-Id', requestId)
    await send(request, response, sent)
  }
  const server = createServer((request, response) => {
    // A client that goes away while it is being served is its own affair.
    serve(request, response).catch(() => response.destroy())
  })
  // Longer than a client keeps a connection, or it would now and then write into a closed one.
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const sockets = openSockets(options, {
    ...{ server, world, clock },
    plan: planNamed(options.plan ?? 'unlimited'),
    keys: options.keys ? new Set(options.keys) : undefined,
    faults: options.faults ?? [],
    onFault: (name) => stats.fired(name),
  })
  const listening = await listen(server, port, host)
  return {
    ...listening,
    wsUrl: listening.url.replace(/^http/, 'ws'),
    stats: () => stats.snapshot(),
    socketStats: () => sockets.stats(),
    marketNow: () => clock.nowMs(),
    startMarket: () => sockets.startMarket(),
    marketReached: (ms) => sockets.marketReached(ms),
    close: async () => {
      sockets.close()
      await listening.close()
    },
  }
}

function clockOf(options: SimulatorOptions): MarketClock {
  const { now, startMs, speed } = options
  if (now) return createMarketClock({ now, startMs: 0, speed: 1 })
  if (startMs === undefined && speed === undefined)
    return createMarketClock({ now: Date.now, startMs: 0, speed: 1 })
  return createMarketClock({ startMs: startMs ?? Date.now(), speed: speed === 0 ? 'max' : (speed ?? 1) })
}

interface AnswererParts {
  readonly world: World
  readonly clock: MarketClock
  readonly stats: StatsCounter
}

type Answerer = (target: URL, authorization: string | undefined, requestId: string) => Sent

/** Admission, faults and endpoints in one; whatever fails inside becomes an answer of status 500. */
function createAnswerer(options: SimulatorOptions, { world, clock, stats }: AnswererParts): Answerer {
  const plan = planNamed(options.plan ?? 'unlimited')
  const keys = options.keys ? new Set(options.keys) : undefined
  const ownClock = options.now === undefined && (options.startMs ?? options.speed) !== undefined
  const answering: Answering = {
    world,
    plan,
    now: () => clock.nowMs(),
    publicationDelayMs: options.publicationDelayMs ?? (ownClock ? PUBLICATION_DELAY_MS : 0),
  }
  const rateLimit = createRateLimit(
    options.callsPerMinute ?? plan.callsPerMinute,
    options.rateWindowMs ?? MINUTE_MS,
  )
  const inject = createInjector(options.faults ?? [], world.seed, (fault) => stats.fired(fault))
  return (target, authorization, requestId) => {
    const arrivedMs = performance.now()
    stats.arrived(matchRoute(target.pathname)?.route.path ?? 'unknown', arrivedMs)
    try {
      admit(keyOf(target, authorization), keys, rateLimit, arrivedMs)
      return inject(target, requestId, (asked) => answer(answering, asked, requestId))
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'ERROR', messageOf(error))
      if (refusal.status === 429) stats.rateLimited()
      return { answer: refusal.answer(requestId), wire: WHOLE }
    }
  }
}

/** The URL as the client reached it, or undefined where it is none. */
function targetOf(request: IncomingMessage): URL | undefined {
  const { localAddress = '127.0.0.1', localPort = 0 } = request.socket
  const host = request.headers.host ?? `${localAddress}:${localPort}`
  const text = `http://${host}${request.url ?? '/'}`
  return URL.canParse(text) ? new URL(text) : undefined
}

async function listen(
  server: Server,
  port: number,
  host: string,
): Promise<Pick<Simulator, 'url' | 'port' | 'close'>> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  }).catch((error: unknown) => {
    throw new UsageError(`the simulator cannot listen on ${host}:${port}: ${messageOf(error)}`, {
      hint: 'Give another port; 0 takes any free one.',
      cause: error,
    })
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
