import { calendarOf, type ExchangeCalendar, type TradingSession } from '../../market/calendar/index.ts'
import { dateToDays, MS_PER_MINUTE, newYorkDate } from '../../market/time.ts'
import { type Bars, barsBetween, emptyBars, joinBars } from './bars.ts'
import { CLOSE_OF_DAY, generateMinutes, generateRegularMinutes, type MinutesOptions } from './minutes.ts'
import { generateOptionMinutes } from './option-minutes.ts'
import { createLogLevel, type LogLevel } from './price-level.ts'
import { splitFactor } from './splits.ts'
import { HISTORY_STARTS, type Listing, UNIVERSE } from './universe.ts'

/** Sessions whose minutes are kept, so that paging through one does not make it again. */
const CACHED_SESSIONS = 64

/** The simulated market: every number a function of seed, ticker and session, nothing stored. */
export interface World {
  readonly seed: number
  readonly calendar: ExchangeCalendar
  /** Sessions on which `listing` trades, from `from` to `to` (New York dates, both inclusive). */
  sessions(listing: Listing, from: string, to: string): readonly TradingSession[]
  /** Raw minute bars of one session, extended hours included, of the minutes over by `asOfMs`. */
  minutes(listing: Listing, session: TradingSession, asOfMs: number): Bars
  /** The raw bar of the regular hours so far, started at `session.openMs`; without a trade, no bar. */
  regularHours(listing: Listing, session: TradingSession, asOfMs: number): Bars
  /** Price at the close of a New York date, session or not, in the shares of that day, USD. */
  price(listing: Listing, date: string): number
}

/** The market of `seed`; two worlds of one seed are the same. */
export function createWorld(seed: number): World {
  const calendar = calendarOf('XNYS')
  const levelOf = remember<LogLevel>(UNIVERSE.length)
  const barsOf = remember<Bars>(CACHED_SESSIONS)

  const recipe = (listing: Listing, session: TradingSession): MinutesOptions => ({
    seed,
    listing,
    level: levelOf.get(listing.ticker, () => createLogLevel(seed, listing)),
    session,
  })
  const whole = (listing: Listing, session: TradingSession): Bars =>
    barsOf.get(keyOf(listing, session), () =>
      listing.option
        ? generateOptionMinutes({
            seed,
            listing,
            session,
            underlying: whole(listing.option.underlying, session),
          })
        : generateMinutes(recipe(listing, session)),
    )
  const minutes: World['minutes'] = (listing, session, asOfMs) => {
    if (session.extendedOpenMs >= asOfMs) return emptyBars(0)
    return barsBetween(whole(listing, session), session.extendedOpenMs, asOfMs - MS_PER_MINUTE + 1)
  }

  return {
    seed,
    calendar,
    minutes,
    sessions: (listing, from, to) => {
      const first = latest(from, listing.firstDate, HISTORY_STARTS, calendar.firstDate)
      const last = earliest(to, listing.lastDate, calendar.lastDate)
      return first > last ? [] : calendar.between(first, last)
    },
    regularHours: (listing, session, asOfMs) => {
      // A finished session needs no minutes outside its regular hours: less than half the work.
      const alone = !listing.option && session.closeMs <= asOfMs && !barsOf.has(keyOf(listing, session))
      const bars = alone
        ? generateRegularMinutes(recipe(listing, session))
        : barsBetween(minutes(listing, session, asOfMs), session.openMs, session.closeMs)
      return joinBars(bars, new Float64Array(bars.length).fill(session.openMs))
    },
    price: (listing, date) => {
      const level = levelOf.get(listing.ticker, () => createLogLevel(seed, listing))
      return Math.exp(level(dateToDays(date) + CLOSE_OF_DAY)) * splitFactor(listing.ticker, date)
    },
  }
}

/** The last `most` values made, by key; the oldest is forgotten first. */
function remember<T>(most: number) {
  const known = new Map<string, T>()
  return {
    has: (key: string): boolean => known.has(key),
    get: (key: string, make: () => T): T => {
      const found = known.get(key)
      if (found !== undefined) return found
      const made = make()
      if (known.size >= most) known.delete(known.keys().next().value ?? '')
      known.set(key, made)
      return made
    },
  }
}

/** Sessions of `listing` in the fortnight up to `asOfMs`, the last one perhaps unfinished. */
export function recentSessions(world: World, listing: Listing, asOfMs: number): readonly TradingSession[] {
  const FORTNIGHT_MS = 14 * 86_400_000
  return world.sessions(listing, newYorkDate(asOfMs - FORTNIGHT_MS), newYorkDate(asOfMs))
}

const keyOf = (listing: Listing, session: TradingSession): string => `${listing.ticker} ${session.date}`

const latest = (...dates: readonly string[]): string => dates.reduce((a, b) => (a > b ? a : b))
const earliest = (...dates: readonly string[]): string => dates.reduce((a, b) => (a < b ? a : b))
