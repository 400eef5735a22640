import { addDays, daysToDate, dateToDays, civilToDays, daysToCivil } from '../../market/time.ts'
import { hash32, hashHex, hashText } from './random.ts'
import { HISTORY_STARTS, type Listing } from './universe.ts'
import type { World } from './world.ts'

/** One cash dividend, in the shares of its day. */
export interface Dividend {
  readonly id: string
  readonly ticker: string
  /** First session without it, New York date. */
  readonly exDate: string
  /** USD per share, four decimals. */
  readonly amount: number
  readonly declarationDate: string
  readonly payDate: string
  /** Times a year: 4 or 12. */
  readonly frequency: number
}

/** Funds of bonds pay every month. */
const MONTHLY = new Set(['TLT', 'HYG'])
/** Dividends are announced this many days ahead. */
const ANNOUNCED_DAYS = 14

/** Dividends of `listing` announced by `today` (New York date), oldest first. */
export function dividendsOf(world: World, listing: Listing, today: string): readonly Dividend[] {
  if (listing.yieldRatio === 0) return []
  const frequency = MONTHLY.has(listing.ticker) ? 12 : 4
  const lastDate = [addDays(today, ANNOUNCED_DAYS), listing.lastDate, world.calendar.lastDate].sort()[0]!
  const out: Dividend[] = []
  for (const exDate of exDates(world, listing, frequency, lastDate)) {
    const amount =
      Math.round((world.price(listing, exDate) * listing.yieldRatio * 10_000) / frequency) / 10_000
    if (amount <= 0) continue
    out.push({
      id: `E${hashHex(`${listing.ticker} dividend ${exDate}`, world.seed, 64)}`,
      ticker: listing.ticker,
      exDate,
      amount,
      declarationDate: addDays(exDate, -ANNOUNCED_DAYS),
      payDate: addDays(exDate, 21),
      frequency,
    })
  }
  return out
}

function* exDates(world: World, listing: Listing, frequency: number, lastDate: string): Generator<string> {
  const luck = hash32(hashText(listing.ticker), 5)
  const stepMonths = 12 / frequency
  const { year, month } = daysToCivil(
    dateToDays(listing.firstDate > HISTORY_STARTS ? listing.firstDate : HISTORY_STARTS),
  )
  const firstMonth = Math.ceil((year * 12 + month) / stepMonths) * stepMonths + (luck % stepMonths)
  for (let index = firstMonth; ; index += stepMonths) {
    const days = civilToDays({
      year: Math.floor(index / 12),
      month: (index % 12) + 1,
      day: 5 + ((luck >>> 4) % 20),
    })
    if (daysToDate(days) > lastDate) return
    const date = sessionFrom(world, daysToDate(days))
    if (date > lastDate) return
    yield date
  }
}

const sessionFrom = (world: World, date: string): string =>
  world.calendar.on(date)?.date ?? world.calendar.next(date).date
