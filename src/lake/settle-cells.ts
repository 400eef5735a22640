import type { Cell, Ledger } from './ledger.ts'
import type { QuarantinedRow } from './quarantine.ts'
import { LOST, WANTED, type CellVerdict, type ReceivedRows, type Settlement } from './series-contract.ts'

/** The cells that a commit changes, by session: verdicts together with the rows that came. */
export function settleCells(
  settlement: Settlement,
  { staged, sessions, lost }: ReceivedRows,
  ledger: Ledger,
  run: string,
): Map<string, Cell> {
  const content = new Map(staged.flatMap((one) => [...one.content.sessions]))
  const cells = new Map<string, Cell>()
  for (const [date, verdict] of settlement) {
    const held = ledger.cells[date]
    if (held && verdict.reason === WANTED) continue
    const found = content.get(date) ?? (sessions.has(date) ? held : undefined)
    cells.set(date, unlessSame(held, settleCell(held, verdict, found, run)))
  }
  for (const { date } of lost) {
    const { quarantined } = cells.get(date) ?? ledger.cells[date] ?? {}
    const refused = quarantined === undefined ? {} : { quarantined }
    cells.set(date, {
      ...{ state: 'missing', reason: LOST, rows: 0, ...refused },
      ...{ run, at: new Date().toISOString() },
    })
  }
  return cells
}

/** What quarantine is to hold, by session: where nothing is known of refused rows, it stays as it is. */
export function refusedRows(
  settlement: Settlement,
  cells: ReadonlyMap<string, Cell>,
): ReadonlyMap<string, readonly QuarantinedRow[]> {
  const rows = new Map<string, readonly QuarantinedRow[]>()
  for (const [date, { refused }] of settlement) {
    if (refused && refused.length === (cells.get(date)?.quarantined ?? 0)) rows.set(date, refused)
  }
  return rows
}

/**
 * The new cell of a session. Held rows are never given up for an answer without rows: the cell stays as it is,
 * but for rows refused on the way. A cell about which nothing changed keeps its old date and run, so that a
 * repeated run changes nothing.
 */
function settleCell(
  held: Cell | undefined,
  { state, reason, refused, duplicates = 0 }: CellVerdict,
  found: Pick<Cell, 'rows' | 'digest' | 'absent'> | undefined,
  run: string,
): Cell {
  const quarantined = refused && refused.length > 0 ? { quarantined: refused.length } : {}
  const { quarantined: count = 0 } = quarantined
  if (held && held.rows > 0 && !found) {
    const { confirmed: _, ...rest } = held
    return { ...rest, ...quarantined, ...confirmation(held, held.state, held, count) }
  }
  return {
    state,
    reason,
    rows: found?.rows ?? 0,
    ...quarantined,
    ...(duplicates > 0 ? { duplicates } : {}),
    ...(found?.digest === undefined ? {} : { digest: found.digest }),
    ...(found?.absent === undefined ? {} : { absent: found.absent }),
    ...confirmation(held, state, found, count),
    run,
    at: new Date().toISOString(),
  }
}

/**
 * What was confirmed of a cell stays true for as long as the vendor says the same of it: not once further rows came,
 * be it into quarantine.
 */
function confirmation(
  held: Cell | undefined,
  state: Cell['state'],
  found: Pick<Cell, 'rows' | 'digest'> | undefined,
  quarantined: number,
): Pick<Cell, 'confirmed'> {
  if (quarantined > (held?.quarantined ?? 0)) return {}
  if (held?.confirmed === undefined || held.state !== state || held.digest !== found?.digest) return {}
  return { confirmed: held.confirmed }
}

/** `cell`, or the one held before where it says the same. */
const unlessSame = (held: Cell | undefined, cell: Cell): Cell => (held && sameCell(held, cell) ? held : cell)

const sameCell = (a: Cell, b: Cell): boolean =>
  a.state === b.state &&
  a.reason === b.reason &&
  a.rows === b.rows &&
  a.digest === b.digest &&
  a.absent === b.absent &&
  (a.quarantined ?? 0) === (b.quarantined ?? 0)
