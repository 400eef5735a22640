import { UsageError } from '../../core/errors.ts'
import { parseOptionSymbol } from '../../market/symbols.ts'
import { type Contract, contractsOf } from './contracts.ts'
import { type Listing, listingOf, listingOfUnderlying } from './universe.ts'
import type { World } from './world.ts'

/** The listing of `ticker`, options (`O:SPY250117C00600000`) included, or undefined. */
export function findListing(world: World, ticker: string): Listing | undefined {
  if (!ticker.startsWith('O:')) return listingOf(ticker)
  const found = findContract(world, ticker)
  return found && listingOfContract(found.contract, found.underlying)
}

/** The contract called `symbol` and what it is on, or undefined; a malformed symbol is none. */
export function findContract(
  world: World,
  symbol: string,
): { readonly contract: Contract; readonly underlying: Listing } | undefined {
  const terms = termsOf(symbol)
  const underlying = terms && listingOfUnderlying(terms.underlying)
  if (!underlying) return undefined
  const contract = contractsOf(world, underlying, terms.expiration, terms.expiration).find(
    ({ ticker }) => ticker === symbol,
  )
  return contract && { contract, underlying }
}

function termsOf(symbol: string) {
  try {
    return parseOptionSymbol(symbol)
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  }
}

/** A contract as something that trades. */
export function listingOfContract(contract: Contract, underlying: Listing): Listing {
  const { ticker, type, strike, expiration, listed } = contract
  return {
    ...underlying,
    ticker,
    name: `${ticker} (simulated)`,
    market: 'options',
    type: 'OPTION',
    yieldRatio: 0,
    firstDate: listed,
    lastDate: expiration,
    option: { underlying, type, strike, expiration },
  }
}
