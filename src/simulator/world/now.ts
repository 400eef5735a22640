import type { TradingSession } from '../../market/calendar/index.ts'
import { MS_PER_MINUTE } from '../../market/time.ts'
import { type Bars, PRICE_UNITS } from './bars.ts'
import type { Listing } from './universe.ts'
import { recentSessions, type World } from './world.ts'

/** The newest minute of a listing and the sessions about it. */
export interface Present {
  /** USD, or index points. */
  readonly price: number
  /** End of the minute it comes from, ms since the epoch. */
  readonly atMs: number
  readonly session: TradingSession
  /** Minutes of that session so far. */
  readonly minutes: Bars
  /** The session before, if it is known. */
  readonly before: TradingSession | undefined
}

/** How `listing` stands at `asOfMs`; undefined where it did not trade in the last fortnight. */
export function presentOf(world: World, listing: Listing, asOfMs: number): Present | undefined {
  const sessions = recentSessions(world, listing, asOfMs)
  for (let i = sessions.length - 1; i >= 0; i--) {
    const session = sessions[i]!
    const minutes = world.minutes(listing, session, asOfMs)
    const last = minutes.length - 1
    if (last < 0) continue
    const price = minutes.close[last]! / PRICE_UNITS
    return { price, atMs: minutes.startMs[last]! + MS_PER_MINUTE, session, minutes, before: sessions[i - 1] }
  }
  return undefined
}
