import type { TradingSession } from '../../market/calendar/index.ts'
import { addDays, newYorkDate } from '../../market/time.ts'
import { type Answer, type Call, jsonAnswer, notFound } from '../call.ts'
import { type ListOptions, listPage, type Row } from '../list-query.ts'
import { PRICE_UNITS, SHARE_UNITS } from '../world/bars.ts'
import { type Contract, contractsOf } from '../world/contracts.ts'
import { findContract, listingOfContract } from '../world/find-listing.ts'
import { type Present, presentOf } from '../world/now.ts'
import { optionValue, type OptionValue, yearsLeft } from '../world/option-price.ts'
import { createRandom, hashText } from '../world/random.ts'
import { type Listing, listingOfUnderlying } from '../world/universe.ts'
import { exerciseStyle } from './option-contracts.ts'
import { nanosecondsBefore } from './snapshots.ts'

const CHAIN_LIST: Omit<ListOptions, 'present'> = {
  filters: { ticker: 'string', contract_type: 'string', expiration_date: 'date', strike_price: 'number' },
  sorts: ['ticker', 'expiration_date', 'strike_price'],
  order: 'asc',
  tieBreak: 'ticker',
  defaultLimit: 10,
  maxLimit: 250,
}
/** Further than this from the money nobody quotes, and there is no volatility to tell. */
const FARTHEST_QUOTED = 4
const LONGEST_DAYS = 370

/** GET /v3/snapshot/options/{underlying}: the contracts alive now, as the market stands. */
export function chain(call: Call): Answer {
  const underlying = listingOfUnderlying(call.params['underlying']!)
  const present = underlying && presentOf(call.world, underlying, call.asOfMs)
  if (!present) return listPage(call, [], CHAIN_LIST)
  const today = newYorkDate(call.nowMs)
  const alive = contractsOf(call.world, underlying, today, addDays(today, LONGEST_DAYS))
  const byTicker = new Map(alive.filter(({ listed }) => listed <= today).map((one) => [one.ticker, one]))
  const rows = [...byTicker.values()].map((contract): Row => ({
    ticker: contract.ticker,
    contract_type: contract.type,
    expiration_date: contract.expiration,
    strike_price: contract.strike,
  }))
  return listPage(call, rows, {
    ...CHAIN_LIST,
    present: (row) => chainItem(call, byTicker.get(String(row['ticker']))!, underlying, present),
  })
}

/** GET /v3/snapshot/options/{underlying}/{contract} */
export function chainContract(call: Call): Answer {
  const found = findContract(call.world, call.params['contract']!)
  const wanted = listingOfUnderlying(call.params['underlying']!)
  const present = found && presentOf(call.world, found.underlying, call.asOfMs)
  const isAlive = found && found.contract.expiration >= newYorkDate(call.nowMs)
  if (!present || !isAlive || found.underlying !== wanted) throw notFound('Options contract not found.')
  const results = chainItem(call, found.contract, found.underlying, present)
  return jsonAnswer({ results, status: 'OK', request_id: call.requestId })
}

function chainItem(call: Call, contract: Contract, underlying: Listing, present: Present) {
  const listing = listingOfContract(contract, underlying)
  const terms = listing.option!
  const value = optionValue(terms, present.price, yearsLeft(terms, present.atMs))
  const isQuoted = Math.abs(value.distance) <= FARTHEST_QUOTED
  const { delta, gamma, theta, vega } = value
  const { products } = call.plan
  const breakEven = contract.type === 'call' ? contract.strike + value.price : contract.strike - value.price
  return {
    break_even_price: rounded(breakEven),
    day: dayOf(call, listing, present),
    details: {
      contract_type: contract.type,
      exercise_style: exerciseStyle(contract),
      expiration_date: contract.expiration,
      shares_per_contract: 100,
      strike_price: contract.strike,
      ticker: contract.ticker,
    },
    ...(isQuoted
      ? {
          fmv: rounded(value.price),
          greeks: { delta, gamma, theta, vega },
          implied_volatility: value.volatility,
        }
      : {}),
    ...(products.includes('quotes') && isQuoted
      ? { last_quote: quoteOf(call, contract, value, present) }
      : {}),
    ...(products.includes('trades') ? tradeOf(call, listing, present) : {}),
    open_interest: openInterest(call, contract, value),
    underlying_asset: {
      change_to_break_even: rounded(breakEven - present.price),
      last_updated: nanosecondsBefore(present.atMs),
      [underlying.market === 'indices' ? 'value' : 'price']: present.price,
      ticker: underlying.ticker,
      timeframe: timeframeOf(call),
    },
  }
}

const rounded = (price: number): number => Math.round(price * 10_000) / 10_000
const timeframeOf = ({ plan }: Call): string => (plan.delay === 0 ? 'REAL-TIME' : 'DELAYED')

/** The session so far; nothing where the contract did not trade in it. */
function dayOf(call: Call, listing: Listing, { session, before }: Present) {
  if (session.date < listing.firstDate) return {}
  const day = call.world.regularHours(listing, session, call.asOfMs)
  if (day.length === 0) return {}
  const close = day.close[0]! / PRICE_UNITS
  const previous = previousValue(call, listing, before)
  return {
    ...(previous === undefined || previous === 0
      ? {}
      : {
          change: rounded(close - previous),
          change_percent: rounded((close / previous - 1) * 100),
          previous_close: previous,
        }),
    close,
    high: day.high[0]! / PRICE_UNITS,
    last_updated: nanosecondsBefore(Math.min(call.asOfMs, session.closeMs)),
    low: day.low[0]! / PRICE_UNITS,
    open: day.open[0]! / PRICE_UNITS,
    volume: day.volume[0]! / SHARE_UNITS,
    vwap: day.vwap[0]! / PRICE_UNITS,
  }
}

/** What the option was worth at the close of the session before, in whole cents. */
function previousValue(
  call: Call,
  { option }: Listing,
  before: TradingSession | undefined,
): number | undefined {
  if (!option || !before) return undefined
  const spot = call.world.price(option.underlying, before.date)
  return Math.round(optionValue(option, spot, yearsLeft(option, before.closeMs)).price * 100) / 100
}

function quoteOf(call: Call, contract: Contract, { price }: OptionValue, { atMs }: Present) {
  const random = createRandom(hashText(`${contract.ticker} quote ${atMs}`, call.world.seed))
  const half = Math.max(0.01, price * 0.004)
  const bid = Math.max(0, Math.floor((price - half) * 100) / 100)
  const ask = Math.ceil((price + half) * 100) / 100
  return {
    ask,
    ask_size: 1 + Math.floor(random() * 300),
    bid,
    bid_size: bid === 0 ? 0 : 1 + Math.floor(random() * 300),
    last_updated: nanosecondsBefore(atMs),
    midpoint: rounded((bid + ask) / 2),
    timeframe: timeframeOf(call),
  }
}

/** The last minute that traded in this session or the one before. */
function tradeOf(call: Call, listing: Listing, { session, before }: Present) {
  for (const day of [session, before]) {
    if (!day || day.date < listing.firstDate) continue
    const minutes = call.world.minutes(listing, day, call.asOfMs)
    const last = minutes.length - 1
    if (last < 0) continue
    return {
      last_trade: {
        conditions: [209],
        decimal_size: '1.0',
        exchange: 309,
        price: minutes.close[last]! / PRICE_UNITS,
        sip_timestamp: nanosecondsBefore(minutes.startMs[last]! + 60_000),
        size: 1,
        timeframe: timeframeOf(call),
      },
    }
  }
  return {}
}

/** Contracts open, most of them at the money, none for some. */
function openInterest(call: Call, contract: Contract, { distance }: OptionValue): number {
  const random = createRandom(hashText(`${contract.ticker} open interest`, call.world.seed))
  return Math.floor(20_000 * random() * random() * Math.exp(-0.25 * distance * distance))
}
