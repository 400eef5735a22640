import { addDays, newYorkDate } from '../../market/time.ts'
import { parseOptionSymbol } from '../../market/symbols.ts'
import { UsageError } from '../../core/errors.ts'
import { type Answer, badRequest, type Call, jsonAnswer, notFound } from '../call.ts'
import { type ListOptions, listPage } from '../list-query.ts'
import { booleanOf, dateOf } from '../params.ts'
import { type Contract, contractsOf } from '../world/contracts.ts'
import { hash32, hashHex, hashText } from '../world/random.ts'
import { type Listing, listingOf, listingOfUnderlying, UNIVERSE } from '../world/universe.ts'

const TICKER_LIST: ListOptions = {
  filters: { ticker: 'string', type: 'string', market: 'string', primary_exchange: 'string' },
  sorts: ['ticker', 'name', 'market', 'type', 'primary_exchange'],
  order: 'asc',
  tieBreak: 'ticker',
  defaultLimit: 100,
  maxLimit: 1000,
  counted: true,
}
const CONTRACT_LIST: ListOptions = {
  filters: {
    ticker: 'string',
    underlying_ticker: 'string',
    contract_type: 'string',
    expiration_date: 'date',
    strike_price: 'number',
  },
  sorts: ['ticker', 'underlying_ticker', 'expiration_date', 'strike_price'],
  order: 'asc',
  tieBreak: 'ticker',
  defaultLimit: 10,
  maxLimit: 1000,
}

/** GET /v3/reference/tickers */
export function tickers(call: Call): Answer {
  const active = booleanOf(call.query, 'active', true)
  const date = dateOf(call.query, 'date') ?? newYorkDate(call.nowMs)
  const search = call.query.get('search')?.toLowerCase() ?? ''
  const exchange = call.query.get('exchange')
  const rows = UNIVERSE.filter(
    (listing) =>
      listing.firstDate <= date &&
      isActive(listing, date) === active &&
      (!exchange || listing.primaryExchange === exchange) &&
      `${listing.ticker} ${listing.name}`.toLowerCase().includes(search),
  ).map((listing) => tickerRow(listing, date))
  return listPage(call, rows, TICKER_LIST)
}

/** GET /v3/reference/tickers/{ticker} */
export function ticker(call: Call): Answer {
  const listing = listingOf(call.params['ticker']!)
  const date = dateOf(call.query, 'date') ?? newYorkDate(call.nowMs)
  if (!listing || listing.firstDate > date) throw notFound('Ticker not found.')
  const { last_updated_utc: _listOnly, ...row } = tickerRow(listing, date)
  const shares = Math.round(listing.dailyVolume * 160)
  const price = call.world.price(listing, date)
  const company = {
    market_cap: Math.round(price * shares),
    share_class_shares_outstanding: shares,
    weighted_shares_outstanding: shares,
    round_lot: 100,
  }
  return jsonAnswer({
    results: {
      ...row,
      description: `${listing.name}: synthetic data of the tapelake simulator, not the real company.`,
      list_date: listing.firstDate,
      ticker_root: listing.ticker.split('.')[0],
      ...(listing.market === 'stocks' ? company : {}),
    },
    status: 'OK',
    request_id: call.requestId,
  })
}

const isActive = (listing: Listing, date: string): boolean => date <= listing.lastDate

function tickerRow(listing: Listing, date: string) {
  const stock = {
    primary_exchange: listing.primaryExchange,
    type: listing.type,
    currency_name: 'usd',
    cik: String(hash32(hashText(listing.ticker)) % 2_000_000).padStart(10, '0'),
    composite_figi: `BBG${hashHex(listing.ticker, 2, 9).toUpperCase()}`,
    share_class_figi: `BBG${hashHex(listing.ticker, 3, 9).toUpperCase()}`,
  }
  return {
    ticker: listing.ticker,
    name: listing.name,
    market: listing.market,
    locale: 'us',
    active: isActive(listing, date),
    ...(listing.market === 'stocks' ? stock : {}),
    ...(isActive(listing, date) ? {} : { delisted_utc: `${addDays(listing.lastDate, 1)}T00:00:00Z` }),
    last_updated_utc: `${date}T00:00:00Z`,
  }
}

/** GET /v3/reference/options/contracts */
export function contracts(call: Call): Answer {
  const asOf = dateOf(call.query, 'as_of') ?? newYorkDate(call.nowMs)
  const expired = booleanOf(call.query, 'expired', false)
  const [from, to] = expired ? [addDays(asOf, -730), addDays(asOf, -1)] : [asOf, addDays(asOf, 370)]
  const rows = underlyingsOf(call.query)
    .flatMap((listing) => contractsOf(call.world, listing, narrowed(call, from), to))
    .filter((contract) => contract.listed <= asOf)
    .map(contractRow)
  return listPage(call, rows, CONTRACT_LIST)
}

/** The underlyings that a query names, all where it names none. */
function underlyingsOf(query: URLSearchParams): readonly Listing[] {
  const named = query.get('underlying_ticker') ?? underlyingOf(query.get('ticker'))
  if (!named) return UNIVERSE.filter(({ market }) => market === 'stocks')
  const listing = listingOfUnderlying(named)
  return listing && listing.market === 'stocks' ? [listing] : []
}

const underlyingOf = (symbol: string | null): string | undefined =>
  symbol ? contractTerms(symbol).underlying : undefined

/** Spares making contracts that the query excludes anyway. */
function narrowed({ query }: Call, from: string): string {
  const wanted = dateOf(query, 'expiration_date') ?? dateOf(query, 'expiration_date.gte') ?? from
  return wanted > from ? wanted : from
}

/** GET /v3/reference/options/contracts/{ticker} */
export function contract(call: Call): Answer {
  const symbol = call.params['ticker']!
  const { underlying, expiration } = contractTerms(symbol)
  const asOf = dateOf(call.query, 'as_of') ?? newYorkDate(call.nowMs)
  const listing = listingOfUnderlying(underlying)
  const found =
    listing &&
    contractsOf(call.world, listing, expiration, addDays(expiration, 1)).find(
      ({ ticker }) => ticker === symbol,
    )
  if (!found || found.listed > asOf) throw notFound('Options contract not found.')
  return jsonAnswer({ results: contractRow(found), status: 'OK', request_id: call.requestId })
}

function contractTerms(symbol: string) {
  try {
    return parseOptionSymbol(symbol)
  } catch (error) {
    if (error instanceof UsageError) throw badRequest(`Invalid options ticker '${symbol}'`)
    throw error
  }
}

const contractRow = (contract: Contract) => ({
  cfi: contract.type === 'call' ? 'OCASPS' : 'OPASPS',
  contract_type: contract.type,
  exercise_style: 'american',
  expiration_date: contract.expiration,
  primary_exchange: 'BATO',
  shares_per_contract: 100,
  strike_price: contract.strike,
  ticker: contract.ticker,
  underlying_ticker: contract.underlying,
})
