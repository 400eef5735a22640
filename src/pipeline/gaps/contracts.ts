import type { HeldContent } from '../../lake/held-sessions.ts'
import type { SeriesView } from '../../lake/series-store.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import { discoveredDates, loadContracts } from '../discovery.ts'
import { readProgress } from '../option-progress.ts'
import { STATE_REASONS, type Gap } from './gap.ts'
import { wholeSpan } from './judge.ts'

/**
 * Contracts of a day's universe (what `discover` found) of which bars were never asked for, or were recorded and are
 * gone. A contract without trades is no gap.
 */
export async function contractGaps(
  { series, ledger }: SeriesView,
  content: HeldContent,
  sessions: readonly TradingSession[],
  root: string,
): Promise<Gap[]> {
  const gaps: Gap[] = []
  const days = new Set(await discoveredDates(root, series.ticker))
  for (const session of sessions.filter(({ date }) => days.has(date))) {
    const { date } = session
    const universe = await loadContracts(root, series.ticker, date)
    const settled = await readProgress(root, series, date)
    const held = content.sessions.get(date)?.contracts ?? new Map<string, number>()
    /** @param rows that lack, where that is known: as `minutes` */
    const add = (contract: string, reason: Gap['reason'], detail: string, rows?: number): void => {
      const at = { dataset: series.dataset.name, ticker: series.ticker, session: date, contract }
      const size = rows === undefined ? {} : { minutes: rows }
      gaps.push({ ...at, ...wholeSpan(session), ...size, reason, kind: 'rows', detail })
    }
    for (const { contract } of universe.contracts) {
      const rows = settled?.get(contract)?.rows
      const found = held.get(contract) ?? 0
      if (rows === undefined && found === 0) {
        const { state, reason = 'not recorded' } = ledger.cells[date] ?? {}
        add(contract, (state && STATE_REASONS[state]) ?? 'missing', reason)
      } else if (rows !== undefined && found < rows)
        add(contract, 'suspected', `${rows} bars were recorded, the file has ${found}`, rows - found)
    }
  }
  return gaps
}
