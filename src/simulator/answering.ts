import {
  type Answer,
  type Call,
  noKey,
  notEntitled,
  notFound,
  Refusal,
  tooManyRequests,
  unknownKey,
} from './call.ts'
import { unpackCursor } from './params.ts'
import { asOfMs, type Plan } from './plans.ts'
import type { RateLimit } from './rate-limit.ts'
import { matchRoute } from './routes.ts'
import { hashHex } from './world/random.ts'
import type { World } from './world/world.ts'

/** What the simulator is, as far as an answer depends on it. */
export interface Answering {
  readonly world: World
  readonly plan: Plan
  /** The simulated wall clock, ms since the epoch. */
  readonly now: () => number
  /** How long what happened last is kept back, ms. */
  readonly publicationDelayMs: number
}

/** The key of a request, from the header or the query; undefined without one. */
export function keyOf(target: URL, authorization: string | undefined): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1]
  return bearer ?? (target.searchParams.get('apiKey') || undefined)
}

/** Refuses a missing or unknown key (401) and a key whose minute is used up (429). */
export function admit(
  key: string | undefined,
  keys: ReadonlySet<string> | undefined,
  rateLimit: RateLimit,
  nowMs: number,
): void {
  if (key === undefined) throw noKey()
  if (keys && !keys.has(key)) throw unknownKey()
  if (!rateLimit(key, nowMs)) throw tooManyRequests()
}

/** The faultless answer to an admitted request; the same request always gives the same bytes. */
export function answer(answering: Answering, target: URL, requestId: string): Answer {
  try {
    const match = matchRoute(target.pathname)
    if (!match) throw notFound('Page not found.')
    if (!answering.plan.products.includes(match.route.product)) throw notEntitled()
    const nowMs = answering.now()
    const call: Call = {
      world: answering.world,
      plan: answering.plan,
      path: target.pathname,
      params: match.params,
      query: unpackCursor(target.searchParams),
      origin: target.origin,
      requestId,
      nowMs,
      asOfMs: Math.min(asOfMs(answering.plan, nowMs), nowMs - answering.publicationDelayMs),
    }
    return match.route.handler(call)
  } catch (error) {
    if (error instanceof Refusal) return error.answer(requestId)
    throw error
  }
}

/** The request's id: a function of seed, path and query, so that equal requests get equal bytes. */
export function requestIdOf(seed: number, target: URL): string {
  const query = new URLSearchParams(target.searchParams)
  query.delete('apiKey')
  return hashHex(`${target.pathname}?${query.toString()}`, seed, 32)
}
