import { AuthenticationError, UsageError, VendorError } from '../../core/errors.ts'
import { newYorkDate } from '../../market/time.ts'
import type { StreamOptions } from './contract.ts'

/**
 * Asks the vendor about each ticker: it tells typos, whether the key is good, and what kind of data comes.
 *
 * @throws {UsageError} for a ticker that the vendor does not know
 * @throws {AuthenticationError} when it refuses the key
 */
export async function checkTickers({ vendor, series, immediate, now, hooks }: StreamOptions): Promise<void> {
  const today = newYorkDate(now())
  for (const ticker of new Set(series.map((one) => one.ticker))) {
    const known = await vendor.history.knowsTicker(ticker, today, immediate).catch((error: unknown) => {
      if (!(error instanceof VendorError) || error instanceof AuthenticationError) throw error
      hooks?.onProblem?.('the check of the ticker', error) // recording is worth more than checking
      return true
    })
    if (known) continue
    throw new UsageError(`unknown ticker '${ticker}': the vendor does not know it`, {
      hint: 'Tickers are written as the exchange lists them: SPY, BRK.B.',
    })
  }
}
