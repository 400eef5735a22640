import { addDays, newYorkDate } from '../../market/time.ts'
import type { Answer, Call } from '../call.ts'
import { type ListOptions, listPage, type Row } from '../list-query.ts'
import { booleanOf } from '../params.ts'
import { type Dividend, dividendsOf } from '../world/dividends.ts'
import { allSplits, type Split, splitFactor } from '../world/splits.ts'
import { listingOf, UNIVERSE } from '../world/universe.ts'

/** Splits are announced this many days ahead. */
const ANNOUNCED_DAYS = 14

const SPLIT_LIST: ListOptions = {
  filters: { ticker: 'string', execution_date: 'date' },
  sorts: ['execution_date', 'ticker'],
  order: 'desc',
  tieBreak: 'id',
  defaultLimit: 10,
  maxLimit: 1000,
}
const DIVIDEND_LIST: ListOptions = {
  filters: {
    ticker: 'string',
    ex_dividend_date: 'date',
    record_date: 'date',
    declaration_date: 'date',
    pay_date: 'date',
    cash_amount: 'number',
    frequency: 'number',
    dividend_type: 'string',
  },
  sorts: ['ex_dividend_date', 'pay_date', 'declaration_date', 'record_date', 'cash_amount', 'ticker'],
  order: 'desc',
  tieBreak: 'id',
  defaultLimit: 10,
  maxLimit: 1000,
}
const NEWER = { defaultLimit: 100, maxLimit: 5000, dottedSort: true } as const

/** GET /v3/reference/splits */
export function splits(call: Call): Answer {
  const rows = announcedSplits(call).map(splitRow)
  const reverse = call.query.get('reverse_split')
  const wanted = reverse === null ? undefined : booleanOf(call.query, 'reverse_split', false)
  return listPage(
    call,
    wanted === undefined
      ? rows
      : rows.filter((row) => Number(row.split_from) > Number(row.split_to) === wanted),
    SPLIT_LIST,
  )
}

/** GET /stocks/v1/splits */
export function splitsV1(call: Call): Answer {
  const known = announcedSplits(call)
  const rows = known.map((split) => ({
    ...splitRow(split),
    adjustment_type: split.to > split.from ? 'forward_split' : 'reverse_split',
    historical_adjustment_factor: rounded(
      known
        .filter(({ ticker, date }) => ticker === split.ticker && date >= split.date)
        .reduce((factor, { from, to }) => (factor * from) / to, 1),
    ),
  }))
  return listPage(call, rows, {
    ...SPLIT_LIST,
    ...NEWER,
    filters: { ...SPLIT_LIST.filters, adjustment_type: 'string' },
  })
}

/** GET /v3/reference/dividends */
export function dividends(call: Call): Answer {
  const rows = announcedDividends(call).map((dividend) => ({ ...dividendRow(dividend), dividend_type: 'CD' }))
  return listPage(call, rows, DIVIDEND_LIST)
}

/** GET /stocks/v1/dividends */
export function dividendsV1(call: Call): Answer {
  const today = newYorkDate(call.nowMs)
  const factors = new Map<string, number>()
  // From the newest back: a price is adjusted by its own dividend and all that came after it.
  const rows = announcedDividends(call)
    .toReversed()
    .map((dividend) => {
      const { ticker, exDate, amount } = dividend
      const factor = (factors.get(ticker) ?? 1) * (1 - amount / call.world.price(listingOf(ticker)!, exDate))
      factors.set(ticker, factor)
      return {
        ...dividendRow(dividend),
        distribution_type: 'recurring',
        historical_adjustment_factor: rounded(factor),
        split_adjusted_cash_amount: rounded(amount / splitFactor(ticker, exDate, today)),
      }
    })
  const { dividend_type: _v3Only, ...filters } = DIVIDEND_LIST.filters
  return listPage(call, rows, {
    ...DIVIDEND_LIST,
    ...NEWER,
    filters: { ...filters, distribution_type: 'string' },
  })
}

function announcedSplits(call: Call): readonly Split[] {
  const until = addDays(newYorkDate(call.nowMs), ANNOUNCED_DAYS)
  return allSplits().filter(({ date }) => date <= until)
}

function announcedDividends(call: Call): readonly Dividend[] {
  const ticker = call.query.get('ticker')
  const today = newYorkDate(call.nowMs)
  const listings = ticker ? [listingOf(ticker)] : UNIVERSE
  return listings.flatMap((listing) => (listing ? dividendsOf(call.world, listing, today) : []))
}

function splitRow({ id, ticker, date, from, to }: Split) {
  return { execution_date: date, id, split_from: from, split_to: to, ticker } satisfies Row
}

function dividendRow(dividend: Dividend) {
  return {
    cash_amount: dividend.amount,
    currency: 'USD',
    declaration_date: dividend.declarationDate,
    ex_dividend_date: dividend.exDate,
    frequency: dividend.frequency,
    id: dividend.id,
    pay_date: dividend.payDate,
    record_date: dividend.exDate,
    ticker: dividend.ticker,
  } satisfies Row
}

const rounded = (factor: number): number => Math.round(factor * 1e6) / 1e6
