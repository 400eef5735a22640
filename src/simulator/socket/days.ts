import type { TradingSession } from '../../market/calendar/index.ts'
import { addDays, MS_PER_MINUTE } from '../../market/time.ts'
import type { Bars } from '../world/bars.ts'
import { contractsOf } from '../world/contracts.ts'
import { findListing, listingOfContract } from '../world/find-listing.ts'
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
  /** What `*` stands for, as far as it trades; of the options, those that expire within a week. */
  everything(cluster: Cluster, session: TradingSession): readonly SymbolDay[]
}

/** The days of `world`, made when asked for. */
export function createDays(world: World): Days {
  const newest = { openMs: -Infinity }
  const days = new Map<string, SymbolDay | undefined>()
  const everything = new Map<Cluster, readonly SymbolDay[]>()
  /** False for an older session: its days are not worth keeping. */
  const keeps = ({ openMs }: TradingSession): boolean => {
    if (openMs > newest.openMs) {
      newest.openMs = openMs
      days.clear()
      everything.clear()
    }
    return openMs === newest.openMs
  }
  return {
    of: (cluster, symbol, session) => {
      if (!keeps(session)) return makeDay(world, cluster, findListing(world, symbol), session)
      // Symbols of clusters differ, so a symbol on the wrong one stays unknown there.
      const key = `${cluster} ${symbol}`
      if (!days.has(key)) days.set(key, makeDay(world, cluster, findListing(world, symbol), session))
      return days.get(key)
    },
    everything: (cluster, session) => {
      const known = keeps(session) ? everything.get(cluster) : undefined
      if (known) return known
      const made = listingsOf(world, cluster, session.date).flatMap(
        (listing) => makeDay(world, cluster, listing, session) ?? [],
      )
      if (keeps(session)) everything.set(cluster, made)
      return made
    },
  }
}

function listingsOf(world: World, cluster: Cluster, date: string): Listing[] {
  if (cluster !== 'options') return UNIVERSE.filter(({ market }) => market === cluster)
  return UNIVERSE.flatMap((underlying) =>
    contractsOf(world, underlying, date, addDays(date, 6))
      .filter(({ listed }) => listed <= date)
      .map((contract) => listingOfContract(contract, underlying)),
  )
}

function makeDay(
  world: World,
  cluster: Cluster,
  listing: Listing | undefined,
  session: TradingSession,
): SymbolDay | undefined {
  if (listing?.market !== cluster) return undefined
  if (world.sessions(listing, session.date, session.date).length === 0) return undefined
  const bars = world.minutes(listing, session, Infinity)
  return withSums({ symbol: listing.ticker, cluster, session, listing, bars })
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
