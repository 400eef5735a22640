import { addDays, newYorkDate } from '../../market/time.ts'
import { type Answer, type Call, jsonAnswer, notFound } from '../call.ts'
import { type ListOptions, listPage } from '../list-query.ts'
import { booleanOf, dateOf } from '../params.ts'
import { hash32, hashHex, hashText } from '../world/random.ts'
import { type Listing, listingOf, UNIVERSE } from '../world/universe.ts'

const TICKER_LIST: ListOptions = {
  filters: { ticker: 'string', type: 'string', market: 'string', primary_exchange: 'string' },
  sorts: ['ticker', 'name', 'market', 'type', 'primary_exchange'],
  order: 'asc',
  tieBreak: 'ticker',
  defaultLimit: 100,
  maxLimit: 1000,
  counted: true,
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
