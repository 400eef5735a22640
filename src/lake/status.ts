import type { CellState, Ledger } from './ledger.ts'
import { CELL_STATES } from './ledger.ts'
import type { SeriesAsOf } from './as-of.ts'
import type { SeriesView } from './series-store.ts'

/** A stretch of neighbouring cells that are not held, for one reason. */
export interface Hole {
  readonly dataset: string
  readonly ticker: string
  /** First and last session of the stretch, both inclusive. */
  readonly from: string
  readonly to: string
  readonly sessions: number
  readonly state: CellState
  readonly reason: string
}

/** What the lake holds of one series. */
export interface SeriesStatus {
  readonly dataset: string
  readonly ticker: string
  /** First and last session with rows; null where there is none. */
  readonly first: string | null
  readonly last: string | null
  readonly rows: number
  readonly bytes: number
  readonly files: number
  /** Refused rows in quarantine. */
  readonly quarantined: number
  readonly cells: Readonly<Record<CellState, number>>
  readonly holes: readonly Hole[]
  readonly updatedAt: string
}

/** States in which a session is neither held nor known to be without rows. */
export const HOLE_STATES: ReadonlySet<CellState> = new Set([
  'missing',
  'failed',
  'not_entitled',
  'quarantined',
])

export function statusOf({ ledger }: SeriesView): SeriesStatus {
  const { segments } = ledger
  return {
    ...statusOfCells(ledger),
    first: segments.map(({ first }) => first).sort()[0] ?? null,
    last:
      segments
        .map(({ last }) => last)
        .sort()
        .at(-1) ?? null,
    rows: segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    files: segments.length,
    updatedAt: ledger.updatedAt,
  }
}

/** What the lake held of a series at `instant`; bytes are those of the files that have it now. */
export function statusAsOf(
  { ledger }: SeriesView,
  { cells, parts, bytes }: SeriesAsOf,
  instant: string,
): SeriesStatus {
  const loud = Object.keys(cells).filter((date) => cells[date]!.rows > 0)
  const times = Object.values(cells).map(({ at }) => at)
  return {
    ...statusOfCells({ ...ledger, cells }),
    first: loud.sort()[0] ?? null,
    last: loud.at(-1) ?? null,
    rows: loud.reduce((sum, date) => sum + cells[date]!.rows, 0),
    bytes,
    files: parts.length,
    updatedAt: times.sort().at(-1) ?? instant,
  }
}

function statusOfCells(
  ledger: Pick<Ledger, 'dataset' | 'ticker' | 'cells'>,
): Pick<SeriesStatus, 'dataset' | 'ticker' | 'quarantined' | 'cells' | 'holes'> {
  const { dataset, ticker } = ledger
  const cells = Object.fromEntries(CELL_STATES.map((state) => [state, 0])) as Record<CellState, number>
  let quarantined = 0
  for (const cell of Object.values(ledger.cells)) {
    cells[cell.state]++
    quarantined += cell.quarantined ?? 0
  }
  return { dataset, ticker, quarantined, cells, holes: holesOf(ledger) }
}

/** The holes that the ledger names, neighbouring cells of the same kind as one; in order of date. */
function holesOf({ dataset, ticker, cells }: Pick<Ledger, 'dataset' | 'ticker' | 'cells'>): Hole[] {
  const holes: Hole[] = []
  let open = false // whether the cell before belongs to the last hole
  for (const [date, { state, reason }] of Object.entries(cells).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const last = holes.at(-1)
    if (!HOLE_STATES.has(state)) open = false
    else if (open && last?.state === state && last.reason === reason) {
      holes[holes.length - 1] = { ...last, to: date, sessions: last.sessions + 1 }
    } else {
      holes.push({ dataset, ticker, from: date, to: date, sessions: 1, state, reason })
      open = true
    }
  }
  return holes
}
