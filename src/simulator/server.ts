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
import { type SimulatorStats, StatsCounter } from './stats.ts'
import { createWorld } from './world/world.ts'

const KEEP_ALIVE_MS = 75_000

/** How a simulator is started; every option may be left out. */
export interface SimulatorOptions {
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
  /** The simulated wall clock, ms since the epoch; nothing later exists. Default: the real one. */
  readonly now?: () => number
  /** What goes wrong, in the order given; see `parseFault`. Default: nothing. */
  readonly faults?: readonly Fault[]
  /** Wait before every answer, milliseconds; default 0. */
  readonly latencyMs?: number
}

/** A running simulator. */
export interface Simulator {
  /** `http://127.0.0.1:43210`, without a trailing slash. */
  readonly url: string
  readonly port: number
  stats(): SimulatorStats
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
  const { port = 0, host = '127.0.0.1', seed = 1, latencyMs = 0 } = options
  const stats = new StatsCounter()
  const answerTo = createAnswerer(options, seed, stats)

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
  return { ...(await listen(server, port, host)), stats: () => stats.snapshot() }
}

type Answerer = (target: URL, authorization: string | undefined, requestId: string) => Sent

/** Admission, faults and endpoints in one; whatever fails inside becomes an answer of status 500. */
function createAnswerer(options: SimulatorOptions, seed: number, stats: StatsCounter): Answerer {
  const plan = planNamed(options.plan ?? 'unlimited')
  const keys = options.keys ? new Set(options.keys) : undefined
  const answering: Answering = { world: createWorld(seed), plan, now: options.now ?? Date.now }
  const rateLimit = createRateLimit(options.callsPerMinute ?? plan.callsPerMinute)
  const inject = createInjector(options.faults ?? [], seed, (fault) => stats.fired(fault))
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

async function listen(server: Server, port: number, host: string): Promise<Omit<Simulator, 'stats'>> {
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
