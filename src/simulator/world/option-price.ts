import { NEW_YORK, dateToDays, wallTime } from '../../market/time.ts'
import type { OptionTerms } from './universe.ts'

const MS_PER_YEAR = 365.25 * 86_400_000
const SESSIONS_PER_YEAR = 252

/** What an option is worth under the simulator's own model: Black and Scholes without interest, with a smile. */
export interface OptionValue {
  /** USD per share. */
  readonly price: number
  /** Per year, as a fraction. */
  readonly volatility: number
  readonly delta: number
  readonly gamma: number
  /** USD per day. */
  readonly theta: number
  /** USD per point of volatility. */
  readonly vega: number
  /** How far the strike lies from the price, in standard deviations left until the expiration; above: positive. */
  readonly distance: number
}

/** Years from `ms` until the close of the expiration, at least a minute. */
export function yearsLeft({ expiration }: OptionTerms, ms: number): number {
  const endMs = NEW_YORK.toUtcMs(dateToDays(expiration), wallTime(16))
  return Math.max(60_000, endMs - ms) / MS_PER_YEAR
}

/** Volatility at the money, per year. */
const baseVolatility = ({ underlying }: OptionTerms): number =>
  underlying.dailyVolatility * Math.sqrt(SESSIONS_PER_YEAR) * 1.05

/** How far the strike lies from `spot` USD with `years` left, in standard deviations; see {@link OptionValue}. */
export const distanceOf = (terms: OptionTerms, spot: number, years: number): number =>
  Math.log(terms.strike / spot) / (baseVolatility(terms) * Math.sqrt(years))

/** The value at `spot` USD with `years` left. */
export function optionValue(terms: OptionTerms, spot: number, years: number): OptionValue {
  const { strike, type } = terms
  const base = baseVolatility(terms)
  const root = Math.sqrt(years)
  const logMoneyness = Math.log(strike / spot)
  const distance = distanceOf(terms, spot, years)
  const volatility =
    base * (1.02 + 0.035 * Math.min(distance * distance, 9) - 0.03 * Math.max(-3, Math.min(3, distance)))
  const spread = volatility * root
  const d1 = -logMoneyness / spread + spread / 2
  const d2 = d1 - spread
  const call = spot * normal(d1) - strike * normal(d2)
  const density = Math.exp((-d1 * d1) / 2) / Math.sqrt(2 * Math.PI)
  return {
    price: Math.max(0, type === 'call' ? call : call - spot + strike),
    volatility,
    delta: type === 'call' ? normal(d1) : normal(d1) - 1,
    gamma: density / (spot * spread),
    theta: (-spot * density * volatility) / (2 * root) / 365,
    vega: (spot * density * root) / 100,
    distance,
  }
}

/** Standard normal distribution function (Abramowitz and Stegun 26.2.17), good to 1e-7. */
function normal(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x))
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  const tail = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * series
  return x < 0 ? tail : 1 - tail
}
