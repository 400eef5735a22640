import { UsageError } from '../core/errors.ts'
import { civilToDays, daysToDate, isCivilDate, parseDate } from './time.ts'

export type OptionType = 'call' | 'put'

/** What an option symbol says. */
export interface OptionContract {
  /** As written, 1–6 capital letters or digits: `SPXW`, `AMD1`. */
  readonly root: string
  /** What it is an option on: `SPX` for `SPXW`, `AMD` for the adjusted `AMD1`. */
  readonly underlying: string
  /** `YYYY-MM-DD` */
  readonly expiration: string
  readonly type: OptionType
  /** Exercise price in USD, a multiple of 0.001. */
  readonly strike: number
}

/** What {@link formatOptionSymbol} needs; `root` stands before `underlying` where both are given. */
export type OptionTerms = Pick<OptionContract, 'expiration' | 'type' | 'strike'> &
  (Pick<OptionContract, 'root'> | Pick<OptionContract, 'underlying'>)

/** Roots of index options that differ from their index: afternoon-settled and weekly series. */
const INDEX_ROOTS: ReadonlyMap<string, string> = new Map([
  ['SPXW', 'SPX'],
  ['SPXPM', 'SPX'],
  ['SPXQ', 'SPX'],
  ['NDXP', 'NDX'],
  ['RUTW', 'RUT'],
  ['VIXW', 'VIX'],
])

const ROOT = /^[A-Z0-9]{1,6}$/
/** Everything after the root: YYMMDD, C or P, strike in thousandths of a dollar. */
const TERMS = /^(\d{2})(\d{2})(\d{2})([CP])(\d{8})$/
const TERMS_LENGTH = 15
const THOUSANDTHS = 1000
const MAX_STRIKE = 100_000
const HINT = 'Symbols look like O:SPY251219C00650000: root, YYMMDD, C or P, strike in thousandths (8 digits).'

/**
 * Reads an OCC option symbol, with or without the vendor's `O:`. It is read from the right, because a
 * root may end in digits (adjusted contracts). Years are 2000–2099.
 *
 * @throws {UsageError} naming the symbol and what is wrong with it
 */
export function parseOptionSymbol(symbol: string): OptionContract {
  if (typeof symbol !== 'string') throw refusal(String(symbol), 'is not a text')
  const body = symbol.startsWith('O:') ? symbol.slice(2) : symbol
  const root = body.slice(0, -TERMS_LENGTH)
  const terms = TERMS.exec(body.slice(root.length))
  if (!terms) throw refusal(symbol, `does not end in date, C or P, and an 8-digit strike`)
  if (!ROOT.test(root)) throw refusal(symbol, `has no root of 1 to 6 capital letters or digits`)
  const date = { year: 2000 + Number(terms[1]), month: Number(terms[2]), day: Number(terms[3]) }
  if (!isCivilDate(date)) {
    throw refusal(symbol, `names a day that does not exist (20${terms[1]}-${terms[2]}-${terms[3]})`)
  }
  const strike = Number(terms[5]) / THOUSANDTHS
  if (strike === 0) throw refusal(symbol, 'has a strike of zero')
  return {
    root,
    underlying: underlyingOfRoot(root),
    expiration: daysToDate(civilToDays(date)),
    type: terms[4] === 'C' ? 'call' : 'put',
    strike,
  }
}

const refusal = (symbol: string, why: string): UsageError =>
  new UsageError(`option symbol '${symbol}' ${why}`, { hint: HINT })

/**
 * What options with `root` are written on: `SPX` for `SPXW`, `AMD` for `AMD1`. Digits mark contracts that a
 * corporate action adjusted (behind) or that are flexible (in front).
 */
export function underlyingOfRoot(root: string): string {
  const letters = root.replace(/^\d+(?=[A-Z])/, '').replace(/(?<=[A-Z])\d+$/, '')
  return INDEX_ROOTS.get(letters) ?? letters
}

/**
 * The symbol of an option as the vendor writes it: `O:SPY251219C00650000`.
 *
 * @throws {UsageError} when the OCC's form cannot hold it: a root that is not 1–6 capital letters or
 *   digits, a date that does not exist or lies outside 2000–2099, a strike that is not above zero, not
 *   below 100,000 or has more than three decimals
 */
export function formatOptionSymbol(terms: OptionTerms): string {
  const root = 'root' in terms ? terms.root : terms.underlying
  if (!ROOT.test(root)) {
    throw new UsageError(`option root '${root}' is not 1 to 6 capital letters or digits`, { hint: HINT })
  }
  const type: string = terms.type
  if (type !== 'call' && type !== 'put') throw new UsageError(`option type '${type}' is not call or put`)
  const letter = type === 'call' ? 'C' : 'P'
  return `O:${root}${formatExpiration(terms.expiration)}${letter}${formatStrike(terms.strike)}`
}

function formatExpiration(expiration: string): string {
  const date = parseDate(expiration)
  if (!date.startsWith('20')) {
    throw new UsageError(`expiration ${date} cannot be written in an option symbol`, {
      hint: 'The symbol has room for the years 2000 to 2099.',
    })
  }
  return date.slice(2).replaceAll('-', '')
}

function formatStrike(strike: number): string {
  const thousandths = Math.round(strike * THOUSANDTHS)
  const holds = thousandths > 0 && strike < MAX_STRIKE && thousandths / THOUSANDTHS === strike
  if (!holds) {
    throw new UsageError(`strike ${strike} cannot be written in an option symbol`, {
      hint: 'A strike is above 0, below 100,000 and has at most three decimals.',
    })
  }
  return String(thousandths).padStart(8, '0')
}
