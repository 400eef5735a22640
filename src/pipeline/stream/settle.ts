import { EntitlementError, messageOf, VendorError } from '../../core/errors.ts'
import { commitCell, holdCell, type CellSettlement } from './cell.ts'
import type { LiveSeries } from './live-series.ts'
import { reconcile, type Reconciliation } from './reconcile.ts'
import { replaceTicks, type ReplaceOptions } from './replace-ticks.ts'

export interface SettleOptions extends ReplaceOptions {
  readonly tickers: readonly string[]
}

/** What a finished session came to. `retry`: asking REST again later may complete it. */
export interface Settled extends CellSettlement {
  readonly retry: boolean
  /** Rows of the cell in the lake. */
  readonly rows: number
}

/**
 * Compares a finished session with REST and records it: complete, or pending with the reason. What was complete
 * before stays as it is.
 *
 * @throws what is no failure of the vendor
 */
export async function settleFinished(
  series: LiveSeries,
  options: SettleOptions,
  signal: AbortSignal,
): Promise<Settled> {
  const { lake } = options
  const before = await holdCell(lake, series)
  if (before === 'complete') {
    const rows = await commitCell(lake, series, { state: 'complete', reason: 'complete before' }, signal)
    return { state: 'complete', reason: `it was complete before${lateText(series)}`, rows, retry: false }
  }
  const verdict = await judge(series, options, signal)
  const rows = await commitCell(lake, series, verdict, signal)
  return { ...verdict, rows }
}

function lateText({ late: { merged, quarantined } }: LiveSeries): string {
  const parts = [
    merged > 0 ? `${merged} late rows merged` : '',
    quarantined > 0 ? `${quarantined} rows came too late, in quarantine` : '',
  ]
  return parts
    .filter((part) => part !== '')
    .map((part) => `; ${part}`)
    .join('')
}

async function judge(
  series: LiveSeries,
  options: SettleOptions,
  signal: AbortSignal,
): Promise<CellSettlement & { readonly retry: boolean }> {
  const { source, book, tickers } = options
  const verdict = (found: Reconciliation) => verdictOf(found, series)
  try {
    const found = series.keepsRows
      ? await reconcile(source, book, series, tickers, signal)
      : await replaceTicks(series, options, verdict, signal)
    return verdict(found)
  } catch (error) {
    if (!(error instanceof VendorError)) throw error
    const why = error instanceof EntitlementError ? 'the plan does not serve the session yet' : 'REST failed'
    return {
      state: 'pending',
      reason: `recorded live, not reconciled: ${why}: ${messageOf(error)}`,
      retry: !(error instanceof EntitlementError),
    }
  }
}

function verdictOf(
  { rest, added, changed, unconfirmed }: Reconciliation,
  { refusedCount }: LiveSeries,
): CellSettlement & { readonly retry: boolean } {
  if (rest === 0) {
    const reason = 'recorded live, not reconciled: REST has no rows of the session yet'
    return { state: 'pending', reason, retry: true }
  }
  if (unconfirmed > 0) {
    const reason = `recorded live, not reconciled: ${unconfirmed} rows are not in REST yet`
    return { state: 'pending', reason, retry: true }
  }
  const refused = refusedCount > 0 ? `; ${refusedCount} rows refused, in quarantine` : ''
  const differences = `${added} added, ${changed} changed`
  return {
    state: 'complete',
    reason: `recorded live, reconciled with REST: ${differences}${refused}`,
    retry: false,
  }
}
