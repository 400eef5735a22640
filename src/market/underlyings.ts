import { UsageError } from '../core/errors.ts'
import { underlyingOfRoot } from './symbols.ts'

/** What options are written on. */
export interface Underlying {
  /** As contracts and the lake name it: `SPY`, `SPX`. */
  readonly symbol: string
  /** As the vendor names its prices: `SPY`, `I:SPX`. */
  readonly ticker: string
  readonly isIndex: boolean
}

/** Indices with listed options. Others can be written with their prefix: `I:XYZ`. */
const INDICES: ReadonlySet<string> = new Set([
  ...['SPX', 'XSP', 'NDX', 'XND', 'RUT', 'MRUT', 'VIX', 'DJX', 'OEX', 'XEO', 'RUI', 'RLG', 'RLV'],
  ...['SIXB', 'SIXC', 'SIXE', 'SIXI', 'SIXM', 'SIXR', 'SIXRE', 'SIXT', 'SIXU', 'SIXV', 'SIXY'],
  ...['MXEA', 'MXEF', 'MXWLD', 'MXACW', 'MXUSA', 'CBTX', 'MBTX', 'SPEQX', 'SPESG', 'VOLQ', 'XDA', 'XDE'],
])

const SYMBOL = /^[A-Z][A-Z0-9.]{0,9}$/
const HINT = 'Underlyings are written as the exchange lists them: SPY, BRK.B, SPX (or I:SPX).'

/**
 * Reads the name of an underlying; an index with or without its `I:`.
 *
 * @throws {UsageError} for what is no symbol, and for a root that belongs to another underlying (`SPXW`)
 */
export function underlyingNamed(text: string): Underlying {
  const isPrefixed = text.startsWith('I:')
  const symbol = isPrefixed ? text.slice(2) : text
  if (!SYMBOL.test(symbol)) throw new UsageError(`'${text}' is not an underlying`, { hint: HINT })
  const owner = underlyingOfRoot(symbol)
  if (owner !== symbol) {
    throw new UsageError(`'${text}' is a root of options on ${owner}, not an underlying`, {
      hint: `Use --underlying ${owner}: its roots come with it.`,
    })
  }
  const isIndex = isPrefixed || INDICES.has(symbol)
  return { symbol, ticker: isIndex ? `I:${symbol}` : symbol, isIndex }
}
