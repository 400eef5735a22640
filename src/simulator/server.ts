import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { type Answering, admit, answer, keyOf, requestIdOf } from './answering.ts'
import { type Answer, Refusal } from './call.ts'
import { planNamed, type PlanName } from './plans.ts'
import { createRateLimit } from './rate-limit.ts'
import { matchRoute } from './routes.ts'
import { type SimulatorStats, StatsCounter } from './stats.ts'
import { createWorld } from './world/world.ts'

const gzipBytes = promisify(gzip)

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
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { port = 0, host = '127.0.0.1', seed = 1, latencyMs = 0 } = options
  const plan = planNamed(options.plan ?? 'unlimited')
  const answering: Answering = {
    world: createWorld(seed),
    plan,
    keys: options.keys ? new Set(options.keys) : undefined,
    now: options.now ?? Date.now,
  }
  const stats = new StatsCounter()
  const rateLimit = createRateLimit(options.callsPerMinute ?? plan.callsPerMinute)

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = new URL(request.url ?? '/', `http://${request.headers.host ?? `${host}:${port}`}`)
    const arrivedMs = performance.now()
    stats.arrived(matchRoute(target.pathname)?.route.path ?? 'unknown', arrivedMs)
    if (latencyMs > 0) await sleep(latencyMs)
    const key = keyOf(target, request.headers.authorization)
    const requestId = requestIdOf(seed, target)
    const result = refusable(requestId, () => {
      admit({ target, key }, answering.keys, rateLimit, arrivedMs)
      return answer(answering, target)
    })
    stats.answered(result.status)
    response.setHeader('X-Tapelake-Simulator', `seed=${seed}`)
    response.setHeader('X-Request-Id', requestId)
    await send(request, response, result)
  }
  const server = createServer((request, response) => void serve(request, response))
  return { ...(await listen(server, port, host)), stats: () => stats.snapshot() }
}

function refusable(requestId: string, run: () => Answer): Answer {
  try {
    return run()
  } catch (error) {
    if (error instanceof Refusal) return error.answer(requestId)
    throw error
  }
}

async function send(request: IncomingMessage, response: ServerResponse, result: Answer): Promise<void> {
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const body = zipped ? await gzipBytes(result.body, { level: 1 }) : result.body
  response.writeHead(result.status, {
    'Content-Type': result.contentType,
    'Content-Length': body.length,
    ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
    ...result.headers,
  })
  response.end(body)
}

async function listen(server: Server, port: number, host: string): Promise<Omit<Simulator, 'stats'>> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
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
