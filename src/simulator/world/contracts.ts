import { formatOptionSymbol, type OptionType } from '../../market/symbols.ts'
import { addDays, dateToDays, daysToDate, weekdayOf } from '../../market/time.ts'
import type { Listing } from './universe.ts'
import type { World } from './world.ts'

/** One listed option of the simulated market. */
export interface Contract {
  /** `O:SPY250117C00600000` */
  readonly ticker: string
  /** As contracts name it: `SPY`, `SPX`. */
  readonly underlying: string
  readonly type: OptionType
  readonly strike: number
  /** Expiration and first day of trading, New York dates. */
  readonly expiration: string
  readonly listed: string
  /** Dollars delivered besides the shares, after a corporate action. */
  readonly cash?: number
}

const WEEKLY_DAYS = 56
const MONTHLY_DAYS = 366
/** So long before its end an expiration gets strikes about the price of then. */
const FRESH_DAYS = 14
/** And once more so long before. */
const LAST_DAYS = 3
const STRIKES_EACH_SIDE = 20
/** Reach of the fresh strikes where every session is an expiration, as a share of the price. */
const DENSE_REACH = 0.08
const MOST_DENSE_STRIKES = 100

/** Underlyings with an expiration on every session; indices by their roots for monthly and other expirations. */
const DAILY: Readonly<Record<string, readonly [monthly: string, other: string]>> = {
  SPY: ['SPY', 'SPY'],
  QQQ: ['QQQ', 'QQQ'],
  IWM: ['IWM', 'IWM'],
  'I:SPX': ['SPX', 'SPXW'],
  'I:NDX': ['NDX', 'NDXP'],
  'I:RUT': ['RUT', 'RUTW'],
}

/** Underlyings whose older contracts a corporate action adjusted: invented, for roots with digits and odd strikes. */
const ADJUSTED: Readonly<
  Record<string, { readonly root: string; readonly ratio: number; readonly cash: number }>
> = {
  AMD: { root: 'AMD1', ratio: 1.03, cash: 3.45 },
}

/** The symbol that contracts on `listing` name as their underlying. */
export const underlyingSymbol = ({ ticker }: Listing): string => ticker.replace(/^I:/, '')

/** Contracts of `listing` that expire from `from` to `to` (both inclusive), by expiration and strike. */
export function contractsOf(world: World, listing: Listing, from: string, to: string): Contract[] {
  const daily = DAILY[listing.ticker]
  if (!daily && listing.dailyVolume < 1e6) return []
  const first = from > listing.firstDate ? from : listing.firstDate
  const last = [to, listing.lastDate, world.calendar.lastDate].sort()[0]!
  return expirationsOf(world, daily !== undefined, first, last).flatMap((expiration) =>
    expiration.date < from ? [] : contractsExpiring(world, listing, expiration),
  )
}

interface Expiration {
  readonly date: string
  readonly kind: 'monthly' | 'weekly' | 'daily'
}

/** Fridays (a holiday Friday: the session before), and every other session where `daily`; ascending. */
function expirationsOf(world: World, daily: boolean, first: string, last: string): readonly Expiration[] {
  const found = new Map<string, Expiration>()
  for (let days = firstFriday(first); days <= dateToDays(last) + 3; days += 7) {
    const friday = daysToDate(days)
    if (friday > world.calendar.lastDate) break
    const date = world.calendar.on(friday)?.date ?? world.calendar.previous(friday).date
    const dayOfMonth = Number(friday.slice(8))
    const kind = dayOfMonth >= 15 && dayOfMonth <= 21 ? 'monthly' : 'weekly'
    if (date >= first && date <= last) found.set(date, { date, kind })
  }
  if (daily && first <= last) {
    for (const { date } of world.calendar.between(first, last)) {
      if (!found.has(date)) found.set(date, { date, kind: 'daily' })
    }
  }
  return [...found.values()].sort((a, b) => (a.date < b.date ? -1 : 1))
}

function firstFriday(date: string): number {
  const days = dateToDays(date)
  return days + ((5 - weekdayOf(days) + 7) % 7)
}

function contractsExpiring(world: World, listing: Listing, { date, kind }: Expiration): Contract[] {
  const fresh = addDays(date, -FRESH_DAYS)
  const opened = kind === 'daily' ? fresh : addDays(date, -(kind === 'monthly' ? MONTHLY_DAYS : WEEKLY_DAYS))
  if (opened < listing.firstDate) return []
  const roots = DAILY[listing.ticker]
  const root = roots?.[kind === 'monthly' ? 0 : 1] ?? listing.ticker.replace('.', '')
  const strikes = new Map<number, string>() // strike -> first day of trading
  const add = (day: string, dense: boolean): void => {
    for (const strike of strikesAround(world.price(listing, day), dense)) {
      if (!strikes.has(strike)) strikes.set(strike, day)
    }
  }
  add(opened, kind === 'daily')
  if (kind !== 'daily') add(fresh, roots !== undefined)
  add(addDays(date, -LAST_DAYS), roots !== undefined)
  const underlying = underlyingSymbol(listing)
  const both = (strike: number, listed: string, rest: { root: string; cash?: number }): Contract[] =>
    (['call', 'put'] as const).map((type) => ({
      ticker: formatOptionSymbol({ root: rest.root, expiration: date, type, strike }),
      ...{ underlying, type, strike, expiration: date, listed },
      ...(rest.cash === undefined ? {} : { cash: rest.cash }),
    }))
  const usual = [...strikes]
    .sort(([a], [b]) => a - b)
    .flatMap(([strike, listed]) => both(strike, listed, { root }))
  const adjusted = ADJUSTED[listing.ticker]
  if (!adjusted || kind !== 'monthly') return usual
  const odd = strikesAround(world.price(listing, opened), false).map((strike) =>
    round(strike / adjusted.ratio),
  )
  return [...usual, ...odd.flatMap((strike) => both(strike, opened, adjusted))]
}

const round = (strike: number): number => Math.round(strike * 100) / 100

/** Strikes about a price, on the usual grid for it. */
function strikesAround(price: number, dense: boolean): readonly number[] {
  const step = dense
    ? denseStep(price)
    : price < 25
      ? 0.5
      : price < 100
        ? 1
        : price < 250
          ? 2.5
          : price < 1000
            ? 5
            : 10
  const reach = dense
    ? Math.min(MOST_DENSE_STRIKES, Math.ceil((price * DENSE_REACH) / step))
    : STRIKES_EACH_SIDE
  const middle = Math.round(price / step)
  const strikes: number[] = []
  for (let i = -reach; i <= reach; i++) {
    if (middle + i > 0) strikes.push((middle + i) * step)
  }
  return strikes
}

const denseStep = (price: number): number => (price < 25 ? 0.5 : price < 1000 ? 1 : price < 10_000 ? 5 : 10)
