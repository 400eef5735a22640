import type { Ledger } from '../lake/ledger.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import type { RequestLimits } from '../sources/history.ts'
import type { WorkItem } from './work-item.ts'

/**
 * Rows and bytes of a liquid stock (SPY), for a series of which nothing is held yet. Orders of magnitude, good
 * enough to tell a minute from a day and a megabyte from a terabyte.
 */
const TYPICAL: Readonly<Record<string, { rowsPerSession: number; bytesPerRow: number }>> = {
  equity_bars_1s: { rowsPerSession: 25_000, bytesPerRow: 22 },
  equity_bars_1m: { rowsPerSession: 850, bytesPerRow: 22 },
  equity_bars_1h: { rowsPerSession: 16, bytesPerRow: 40 },
  equity_bars_1d: { rowsPerSession: 1, bytesPerRow: 50 },
  equity_trades: { rowsPerSession: 600_000, bytesPerRow: 25 },
  equity_quotes: { rowsPerSession: 2_500_000, bytesPerRow: 20 },
  splits: { rowsPerSession: 0, bytesPerRow: 100 },
  dividends: { rowsPerSession: 0.016, bytesPerRow: 100 },
}
const UNKNOWN = { rowsPerSession: 1000, bytesPerRow: 50 }

/** Mean rows of a recorded session: of this series where it holds some, else of a liquid stock. */
export function rowsPerSession(dataset: DatasetDefinition, ledger: Ledger): number {
  const recorded = Object.values(ledger.cells).filter(({ rows }) => rows > 0)
  if (recorded.length === 0) return (TYPICAL[dataset.name] ?? UNKNOWN).rowsPerSession
  return recorded.reduce((sum, { rows }) => sum + rows, 0) / recorded.length
}

/** Rows and bytes that recording `sessions` sessions is expected to bring. */
export function estimateRows(
  sessions: number,
  dataset: DatasetDefinition,
  ledger: Ledger,
): { estimatedRows: number; estimatedBytes: number } {
  const held = ledger.segments.reduce(
    (sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }),
    { rows: 0, bytes: 0 },
  )
  const bytesPerRow = held.rows > 0 ? held.bytes / held.rows : (TYPICAL[dataset.name] ?? UNKNOWN).bytesPerRow
  const estimatedRows = Math.round(sessions * rowsPerSession(dataset, ledger))
  return { estimatedRows, estimatedBytes: Math.round(estimatedRows * bytesPerRow) }
}

/** Pages that one work item is expected to take: one, unless its rows are many or unforeseeable. */
export function estimatePages(item: WorkItem, limits: RequestLimits, perSession: number): number {
  const { pageRows, baseSeconds, anyRange } = limits
  if (anyRange || (baseSeconds !== undefined && baseSeconds >= 60)) return 1
  return Math.max(1, Math.ceil((item.sessions.length * perSession) / pageRows))
}
