import { formatOptionSymbol, type OptionType } from '../../market/symbols.ts'
import { addDays, dateToDays, daysToDate, weekdayOf } from '../../market/time.ts'
import type { Listing } from './universe.ts'
import type { World } from './world.ts'

/** One listed option of the simulated market. */
export interface Contract {
  /** `O:SPY250117C00600000` */
  readonly ticker: string
  readonly underlying: string
  readonly type: OptionType
  readonly strike: number
  /** Expiration and first day of trading, New York dates. */
  readonly expiration: string
  readonly listed: string
}

const WEEKLY_DAYS = 56
const MONTHLY_DAYS = 366
const STRIKES_EACH_SIDE = 20

/** Contracts of `listing` that expire from `from` to `to` (both inclusive), by expiration and strike. */
export function contractsOf(world: World, listing: Listing, from: string, to: string): Contract[] {
  if (listing.dailyVolume < 1e6) return []
  const first = from > listing.firstDate ? from : listing.firstDate
  const last = [to, listing.lastDate, world.calendar.lastDate].sort()[0]!
  const out: Contract[] = []
  for (let days = firstFriday(first); days <= dateToDays(last); days += 7) {
    const friday = daysToDate(days)
    // A holiday Friday expires the session before.
    const expiration = world.calendar.on(friday)?.date ?? world.calendar.previous(friday).date
    const monthly = Number(friday.slice(8)) >= 15 && Number(friday.slice(8)) <= 21
    const listed = addDays(expiration, -(monthly ? MONTHLY_DAYS : WEEKLY_DAYS))
    if (expiration < from || listed < listing.firstDate) continue
    for (const strike of strikesAround(world.price(listing, listed))) {
      for (const type of ['call', 'put'] as const) {
        const ticker = formatOptionSymbol({ root: listing.ticker.replace('.', ''), expiration, type, strike })
        out.push({ ticker, underlying: listing.ticker, type, strike, expiration, listed })
      }
    }
  }
  return out
}

function firstFriday(date: string): number {
  const days = dateToDays(date)
  return days + ((5 - weekdayOf(days) + 7) % 7)
}

/** Strikes about the price at listing, on the usual grid for it. */
function strikesAround(price: number): readonly number[] {
  const step = price < 25 ? 0.5 : price < 100 ? 1 : price < 250 ? 2.5 : price < 1000 ? 5 : 10
  const middle = Math.round(price / step)
  const strikes: number[] = []
  for (let i = -STRIKES_EACH_SIDE; i <= STRIKES_EACH_SIDE; i++) {
    if (middle + i > 0) strikes.push((middle + i) * step)
  }
  return strikes
}
