import type { Handler } from './call.ts'
import { aggregates } from './endpoints/aggregates.ts'
import { conditions, exchanges } from './endpoints/code-lists.ts'
import { dividends, dividendsV1, splits, splitsV1 } from './endpoints/corporate-actions.ts'
import { grouped, openClose, previousClose } from './endpoints/daily.ts'
import { marketStatus, upcomingHolidays } from './endpoints/market-status.ts'
import { chain, chainContract } from './endpoints/option-chain.ts'
import { contract, contracts } from './endpoints/option-contracts.ts'
import { ticker, tickers } from './endpoints/reference.ts'
import { indexSnapshots, stockSnapshot } from './endpoints/snapshots.ts'
import { lastQuote, lastTrade, quotes, trades } from './endpoints/ticks.ts'
import type { Product } from './plans.ts'

/** One endpoint: a path with `{captures}`, what a plan must include, and who answers. */
export interface Route {
  readonly path: string
  readonly product: Product
  readonly handler: Handler
}

const route = (path: string, product: Product, handler: Handler): Route => ({ path, product, handler })

/** Every endpoint of the simulator; the first that fits answers. */
export const ROUTES: readonly Route[] = [
  route('/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}', 'bars', aggregates),
  route('/v2/aggs/grouped/locale/us/market/stocks/{date}', 'bars', grouped),
  route('/v2/aggs/ticker/{ticker}/prev', 'bars', previousClose),
  route('/v1/open-close/{ticker}/{date}', 'bars', openClose),
  route('/v3/trades/{ticker}', 'trades', trades),
  route('/v3/quotes/{ticker}', 'quotes', quotes),
  route('/v2/last/trade/{ticker}', 'trades', lastTrade),
  route('/v2/last/nbbo/{ticker}', 'quotes', lastQuote),
  route('/v2/snapshot/locale/us/markets/stocks/tickers/{ticker}', 'snapshots', stockSnapshot),
  route('/v3/snapshot/indices', 'snapshots', indexSnapshots),
  route('/v3/snapshot/options/{underlying}', 'snapshots', chain),
  route('/v3/snapshot/options/{underlying}/{contract}', 'snapshots', chainContract),
  route('/v3/reference/splits', 'reference', splits),
  route('/v3/reference/dividends', 'reference', dividends),
  route('/stocks/v1/splits', 'reference', splitsV1),
  route('/stocks/v1/dividends', 'reference', dividendsV1),
  route('/v3/reference/tickers', 'reference', tickers),
  route('/v3/reference/tickers/{ticker}', 'reference', ticker),
  route('/v3/reference/options/contracts', 'reference', contracts),
  route('/v3/reference/options/contracts/{ticker}', 'reference', contract),
  route('/v3/reference/exchanges', 'reference', exchanges),
  route('/v3/reference/conditions', 'reference', conditions),
  route('/v1/marketstatus/now', 'reference', marketStatus),
  route('/v1/marketstatus/upcoming', 'reference', upcomingHolidays),
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
