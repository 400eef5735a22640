import { EXIT, type ExitCode } from '../core/errors.ts'
import type { CellState } from '../lake/ledger.ts'
import { ALL, WANTED, type Restatement } from '../lake/series-contract.ts'
import { HOLE_STATES, type Hole } from '../lake/status.ts'
import type { ContractCounts, SeriesOutcome } from './backfill.ts'

/** What became of one session. */
export interface SessionSummary {
  readonly dataset: string
  readonly ticker: string
  readonly date: string
  readonly state: CellState
  readonly reason: string
  /** Rows that the lake holds of it. */
  readonly rows: number
  /** The vendor, asked once more, confirmed to have nothing of it: it is not asked for again. */
  readonly confirmed?: true
  /** Of options recorded now: what became of the contracts. */
  readonly contracts?: ContractCounts
}

/** What a run did, for people and as `--json`. */
export interface BackfillSummary {
  readonly sessions: readonly SessionSummary[]
  /** Rows that this run recorded. */
  readonly rows: number
  /** Vendor requests, retries included. */
  readonly calls: number
  /** Rows that this run refused. */
  readonly quarantined: number
  readonly duplicates: number
  /** Sessions whose recorded rows gave way to others; the rows before are kept as a version. */
  readonly restated: readonly (Restatement & { readonly dataset: string; readonly ticker: string })[]
  /** Rows of held sessions that came late: merged into them, or too late and in quarantine. */
  readonly late: { readonly merged: number; readonly quarantined: number }
  /** Work items that failed, also where an earlier run had recorded their sessions (`--force`). */
  readonly failures: number
  /** Sessions that are not whole but hold rows (options: some contracts failed). */
  readonly partial: number
  /** Holes of which the vendor confirmed to have nothing. */
  readonly confirmed: number
  readonly holes: readonly Hole[]
  readonly states: Readonly<Partial<Record<CellState, number>>>
}

/** Sums up the outcomes of a run. */
export function summarize(outcomes: readonly SeriesOutcome[], calls: number): BackfillSummary {
  const sessions = outcomes.flatMap(sessionsOf)
  const states: Partial<Record<CellState, number>> = {}
  for (const { state } of sessions) states[state] = (states[state] ?? 0) + 1
  return {
    sessions,
    rows: outcomes.reduce((sum, { rows }) => sum + rows, 0),
    calls,
    quarantined: outcomes.reduce((sum, { refused }) => sum + refused, 0),
    duplicates: outcomes.reduce((sum, { duplicates }) => sum + duplicates, 0),
    restated: outcomes.flatMap(({ series: { dataset, ticker }, restated }) =>
      restated.map((one) => ({ dataset: dataset.name, ticker, ...one })),
    ),
    late: {
      merged: outcomes.reduce((sum, { late }) => sum + (late?.merged ?? 0), 0),
      quarantined: outcomes.reduce((sum, { late }) => sum + (late?.quarantined ?? 0), 0),
    },
    failures: outcomes.reduce((sum, { failures }) => sum + failures, 0),
    partial: sessions.filter(({ state, rows }) => state === 'failed' && rows > 0).length,
    confirmed: sessions.filter(({ state, confirmed }) => confirmed && HOLE_STATES.has(state)).length,
    holes: holesIn(sessions),
    states,
  }
}

function sessionsOf(outcome: SeriesOutcome): SessionSummary[] {
  const { series, plan, ledger, stopped, reasons, contracts, lost = [] } = outcome
  const pending = new Set(plan.pending)
  const dates = lost.length > 0 ? [...new Set([...plan.sessions, ...lost])].sort() : plan.sessions
  return dates.map((date) => {
    const cell = ledger.cells[date]
    const base = { dataset: series.dataset.name, ticker: series.ticker, date }
    const counts = contracts?.get(date)
    const more = {
      ...(counts ? { contracts: counts } : {}),
      ...(cell?.confirmed === ALL ? { confirmed: true as const } : {}),
    }
    if (cell && cell.reason !== WANTED)
      return { ...base, state: cell.state, reason: cell.reason, rows: cell.rows, ...more }
    if (pending.has(date)) {
      return { ...base, state: 'pending', reason: 'the session has not ended yet', rows: 0 }
    }
    const reason = reasons?.get(date) ?? stopped ?? 'not asked for'
    return { ...base, state: 'missing', reason, rows: 0 }
  })
}

function holesIn(sessions: readonly SessionSummary[]): Hole[] {
  const holes: Hole[] = []
  let before: SessionSummary | undefined
  for (const session of sessions) {
    const { dataset, ticker, date, state, reason } = session
    const last = holes.at(-1)
    const continues =
      last !== undefined &&
      before?.ticker === ticker &&
      before.dataset === dataset &&
      before.state === state &&
      before.reason === reason
    if (HOLE_STATES.has(state)) {
      if (continues) holes[holes.length - 1] = { ...last, to: date, sessions: last.sessions + 1 }
      else holes.push({ dataset, ticker, from: date, to: date, sessions: 1, state, reason })
    }
    before = session
  }
  return holes
}

/** The exit code that a finished (not interrupted) run deserves; see docs/exit-codes.md. */
export function exitCodeOf({
  states,
  failures,
  partial = 0,
  confirmed = 0,
}: Pick<BackfillSummary, 'states' | 'failures'> &
  Partial<Pick<BackfillSummary, 'partial' | 'confirmed'>>): ExitCode {
  const count = (state: CellState): number => states[state] ?? 0
  const broken = count('missing') + count('failed') + count('quarantined') - confirmed
  const settled = count('complete') + count('empty') + partial + confirmed
  if (broken + failures + count('not_entitled') === 0) return EXIT.ok
  if (settled > 0 || count('quarantined') > 0) return EXIT.partial
  return broken === 0 ? EXIT.auth : EXIT.failed
}
