import { type Handler } from './call.ts'
import { aggregates } from './endpoints/aggregates.ts'
import { type Product } from './plans.ts'

/** One endpoint: a path with `{captures}`, what a plan must include, and who answers. */
export interface Route {
  readonly path: string
  readonly product: Product
  readonly handler: Handler
}

/** Every endpoint of the simulator; the first that fits answers. */
export const ROUTES: readonly Route[] = [
  {
    path: '/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}',
    product: 'bars',
    handler: aggregates,
  },
]

/** A route and what its captures matched, decoded. */
export interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** The route for `path` (percent-encoded, without query), or undefined. */
export function matchRoute(path: string): Match | undefined {
  const words = path.split('/')
  for (const { route, pattern } of compiled) {
    const params = matchWords(pattern, words)
    if (params) return { route, params }
  }
  return undefined
}

const compiled = ROUTES.map((route) => ({ route, pattern: route.path.split('/') }))

function matchWords(
  pattern: readonly string[],
  words: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== words.length) return undefined
  const params: Record<string, string> = {}
  for (const [i, part] of pattern.entries()) {
    const word = words[i]!
    if (part.startsWith('{')) {
      const decoded = decode(word)
      if (decoded === undefined || decoded === '') return undefined
      params[part.slice(1, -1)] = decoded
    } else if (part !== word) return undefined
  }
  return params
}

function decode(word: string): string | undefined {
  try {
    return decodeURIComponent(word)
  } catch {
    return undefined
  }
}
