import type { Batches } from '../core/flow.ts'
import type { TradingSession } from '../market/calendar/index.ts'
import type { Underlying } from '../market/underlyings.ts'
import type { Provenance } from './history.ts'

/**
 * What a price of an underlying is: the `open` of the regular hours; before it exists the latest price
 * `pre_market`; the `last` price known; or the `previous_close`.
 */
export type PriceBasis = 'open' | 'pre_market' | 'last' | 'previous_close'

export interface UnderlyingPrice {
  /** USD, or index points; in the shares of that day, not adjusted for later splits. */
  readonly price: number
  readonly basis: PriceBasis
}

/** Which contracts are asked for. Dates are New York dates; all bounds are inclusive. */
export interface ContractQuery {
  readonly underlying: Underlying
  /** Listed on this day. */
  readonly asOf: string
  readonly expiresFrom: string
  readonly expiresTo: string
  readonly strikeFrom: number
  readonly strikeTo: number
}

export interface ChainQuery {
  readonly underlying: Underlying
  /** Goes into every row, UTC epoch milliseconds. */
  readonly snapshotMs: number
  /** Session that the snapshot belongs to, `YYYY-MM-DD`. */
  readonly sessionDate: string
}

/** What can be asked about options besides their history. */
export interface OptionSource {
  /** Goes into the origin of every batch. */
  readonly name: string
  /** Vendor requests sent so far, retries included. */
  readonly calls: number
  /** Known after the first answer. */
  readonly provenance: Provenance | undefined
  /**
   * The price of `underlying` that the day of `session` starts from. Undefined where the vendor has none.
   *
   * @param nowMs the present instant: what is not over yet may still lack an opening price
   */
  priceOn(
    underlying: Underlying,
    session: TradingSession,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<UnderlyingPrice | undefined>
  /** Whether the vendor knows the underlying on `date`. */
  knows(underlying: Underlying, date: string, signal: AbortSignal): Promise<boolean>
  /** Rows of `option_contracts`: all pages of those expired by now and of those not; some may come twice. */
  contracts(query: ContractQuery, signal: AbortSignal): Batches
  /** Rows of `option_chain`: all pages of the chain as it is now. */
  chain(query: ChainQuery, signal: AbortSignal): Batches
  close(): Promise<void>
}
