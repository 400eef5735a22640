import { isRequestFailure, NotFoundError, UsageError } from '../core/errors.ts'
import type { RecordContext } from './record-context.ts'

/**
 * Tells a silent ticker from one that does not exist. Asks only while nothing is settled of the series; a
 * vendor that cannot tell gives the ticker the benefit of the doubt.
 *
 * @throws {UsageError} when the vendor knows the ticker neither on `date` nor today
 */
export async function assertTickerKnown(date: string, context: RecordContext): Promise<void> {
  const { writer, today } = context
  const { ticker } = writer.options.series
  const cells = Object.values(writer.ledger.cells)
  if (cells.some(({ state }) => state === 'complete' || state === 'empty')) return
  if (await isKnown(ticker, date, context)) return
  if (await isKnown(ticker, today, context)) return // listed after `date`
  throw new UsageError(
    `unknown ticker '${ticker}': the vendor does not know it, neither on ${date} nor today`,
    {
      hint: 'Tickers are written as the exchange lists them: SPY, BRK.B, in capitals.',
    },
  )
}

async function isKnown(ticker: string, date: string, { source, signal }: RecordContext): Promise<boolean> {
  try {
    return await source.knowsTicker(ticker, date, signal)
  } catch (error) {
    if (error instanceof NotFoundError) return false
    if (isRequestFailure(error)) return true // cannot tell
    throw error
  }
}
