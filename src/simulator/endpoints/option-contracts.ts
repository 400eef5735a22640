import { UsageError } from '../../core/errors.ts'
import { parseOptionSymbol } from '../../market/symbols.ts'
import { addDays, newYorkDate } from '../../market/time.ts'
import { type Answer, badRequest, type Call, jsonAnswer, notFound } from '../call.ts'
import { type ListOptions, listPage } from '../list-query.ts'
import { booleanOf, dateOf } from '../params.ts'
import { type Contract, contractsOf } from '../world/contracts.ts'
import { findContract } from '../world/find-listing.ts'
import { type Listing, listingOfUnderlying, UNIVERSE } from '../world/universe.ts'

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

/**
 * GET /v3/reference/options/contracts. A contract on its last day is not expired by `as_of`; once that day is over
 * it is listed as expired too.
 */
export function contracts(call: Call): Answer {
  const asOf = dateOf(call.query, 'as_of') ?? newYorkDate(call.nowMs)
  const expired = booleanOf(call.query, 'expired', false)
  const isOver = asOf < newYorkDate(call.nowMs)
  const [from, to] = expired
    ? [addDays(asOf, -730), isOver ? asOf : addDays(asOf, -1)]
    : [asOf, addDays(asOf, 370)]
  const [first, last] = [later(from, bound(call, 'gte')), earlier(to, bound(call, 'lte'))]
  const rows = underlyingsOf(call.query)
    .flatMap((listing) => (first > last ? [] : contractsOf(call.world, listing, first, last)))
    .filter((contract) => contract.listed <= asOf)
    .map(contractRow)
  return listPage(call, rows, CONTRACT_LIST)
}

/** The underlyings that a query names, all where it names none. */
function underlyingsOf(query: URLSearchParams): readonly Listing[] {
  const named = query.get('underlying_ticker') ?? underlyingOf(query.get('ticker'))
  if (!named) return UNIVERSE.filter(({ market }) => market === 'stocks')
  const listing = listingOfUnderlying(named)
  return listing ? [listing] : []
}

const underlyingOf = (symbol: string | null): string | undefined =>
  symbol ? contractTerms(symbol).underlying : undefined

/** Spares making contracts that the query excludes anyway. */
const bound = ({ query }: Call, side: 'gte' | 'lte'): string | undefined =>
  dateOf(query, 'expiration_date') ?? dateOf(query, `expiration_date.${side}`)

const later = (date: string, other = date): string => (other > date ? other : date)
const earlier = (date: string, other = date): string => (other < date ? other : date)

/** GET /v3/reference/options/contracts/{ticker} */
export function contract(call: Call): Answer {
  const symbol = call.params['ticker']!
  contractTerms(symbol)
  const asOf = dateOf(call.query, 'as_of') ?? newYorkDate(call.nowMs)
  const found = findContract(call.world, symbol)?.contract
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

/** Options on indices are settled in cash and exercised at the end only. */
export const exerciseStyle = ({ underlying }: Pick<Contract, 'underlying'>): string =>
  listingOfUnderlying(underlying)?.market === 'indices' ? 'european' : 'american'

function contractRow(contract: Contract) {
  const style = exerciseStyle(contract)
  const cash = contract.cash
  return {
    ...(cash === undefined
      ? {}
      : { additional_underlyings: [{ amount: cash, type: 'currency', underlying: 'USD' }] }),
    cfi: `O${contract.type === 'call' ? 'C' : 'P'}${style === 'european' ? 'EICS' : 'ASPS'}`,
    contract_type: contract.type,
    exercise_style: style,
    expiration_date: contract.expiration,
    primary_exchange: style === 'european' ? 'XCBO' : 'BATO',
    shares_per_contract: 100,
    strike_price: contract.strike,
    ticker: contract.ticker,
    underlying_ticker: contract.underlying,
  }
}
