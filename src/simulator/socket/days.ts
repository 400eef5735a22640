import type { TradingSession } from '../../market/calendar/index.ts'
import { addDays, MS_PER_MINUTE } from '../../market/time.ts'
import type { Bars } from '../world/bars.ts'
import { contractsOf } from '../world/contracts.ts'
import { findListing } from '../world/find-listing.ts'
import { type Listing, UNIVERSE } from '../world/universe.ts'
import type { World } from '../world/world.ts'
import type { Cluster } from './clusters.ts'

/** One symbol on one session, whole, with what accumulates over the day. */
export interface SymbolDay {
  readonly symbol: string
  readonly cluster: Cluster
  readonly session: TradingSession
  readonly listing: Listing
  /** Raw minute bars: the ones that REST serves. */
  readonly bars: Bars
  /** Volume and turnover of all bars before row i; one entry more than bars. */
  readonly volumeBefore: Float64Array
  readonly turnoverBefore: Float64Array
  /** Row of the first bar of the regular hours, or the number of bars. */
  readonly openRow: number
  /** The row of the minute that starts at `startMs`, or -1 where it had no trade. */
  row(startMs: number): number
}

/** Days of the symbols that are subscribed; the newest session is kept. */
export interface Days {
  /** Undefined for what the market does not know or does not trade on `session`. */
  of(cluster: Cluster, symbol: string, session: TradingSession): SymbolDay | undefined
  /** What `*` stands for; of the options, those that expire within a week. */
  everything(cluster: Cluster, session: TradingSession): readonly string[]
}

/** The days of `world`, made when asked for. */
export function createDays(world: World): Days {
  const days = new Map<string, SymbolDay | undefined>()
  let newestMs = -Infinity
  let everything: { readonly key: string; readonly symbols: readonly string[] } | undefined
  return {
    of: (cluster, symbol, session) => {
      if (session.openMs > newestMs) {
        newestMs = session.openMs
        days.clear()
      }
      const key = `${cluster} ${symbol} ${session.date}`
      if (!days.has(key)) days.set(key, makeDay(world, cluster, symbol, session))
      return days.get(key)
    },
    everything: (cluster, { date }) => {
      const key = `${cluster} ${date}`
      if (everything?.key !== key) everything = { key, symbols: symbolsOf(world, cluster, date) }
      return everything.symbols
    },
  }
}

/** All symbols of a cluster; of the many options, those that expire within the week. */
function symbolsOf(world: World, cluster: Cluster, date: string): readonly string[] {
  if (cluster !== 'options') {
    return UNIVERSE.filter(({ market }) => market === cluster).map(({ ticker }) => ticker)
  }
  return UNIVERSE.flatMap((listing) => contractsOf(world, listing, date, addDays(date, 6)))
    .filter(({ listed }) => listed <= date)
    .map(({ ticker }) => ticker)
}

function makeDay(
  world: World,
  cluster: Cluster,
  symbol: string,
  session: TradingSession,
): SymbolDay | undefined {
  const listing = findListing(world, symbol)
  if (listing?.market !== cluster) return undefined
  if (world.sessions(listing, session.date, session.date).length === 0) return undefined
  return withSums({
    symbol,
    cluster,
    session,
    listing,
    bars: world.minutes(listing, session, Infinity),
  })
}

function withSums(day: Pick<SymbolDay, 'symbol' | 'cluster' | 'session' | 'listing' | 'bars'>): SymbolDay {
  const { bars, session } = day
  const volumeBefore = new Float64Array(bars.length + 1)
  const turnoverBefore = new Float64Array(bars.length + 1)
  const rows = new Map<number, number>()
  let openRow = bars.length
  for (let row = 0; row < bars.length; row++) {
    const startMs = bars.startMs[row]!
    rows.set(startMs / MS_PER_MINUTE, row)
    volumeBefore[row + 1] = volumeBefore[row]! + bars.volume[row]!
    turnoverBefore[row + 1] = turnoverBefore[row]! + bars.volume[row]! * priceOf(bars, row)
    if (startMs >= session.openMs && openRow === bars.length) openRow = row
  }
  return {
    ...day,
    volumeBefore,
    turnoverBefore,
    openRow,
    row: (startMs) => rows.get(startMs / MS_PER_MINUTE) ?? -1,
  }
}

/** The volume-weighted price, or the close where the bar has none. */
const priceOf = (bars: Bars, row: number): number => bars.vwap[row]! || bars.close[row]!
