import { UsageError } from '../core/errors.ts'
import type { Cell, Ledger } from '../lake/ledger.ts'
import type { SeriesId } from '../lake/layout.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { newYorkDate } from '../market/time.ts'
import { discoveredDates, loadContracts } from './discovery.ts'
import { readProgress, type ContractEntry, type Progress } from './option-progress.ts'
import type { SeriesPlan } from './plan.ts'
import type { SessionRange } from './range.ts'

/** The contracts of one session: what was discovered, what is settled, what has to be asked for. */
export interface OptionDay {
  readonly date: string
  /** Discovered contracts, in the order of the discovery. */
  readonly contracts: readonly string[]
  /** Contracts to ask for: one request each. */
  readonly toFetch: readonly string[]
  /** What is settled already, fetched or committed. */
  readonly settled: Progress
  /** Contracts that are asked for although they were before. */
  readonly askedBefore: ReadonlySet<string>
}

/** A plan whose work items are days; every call is one contract on one day. */
export interface OptionPlan extends SeriesPlan {
  /** One for each work item, in the same order. */
  readonly days: readonly OptionDay[]
  /** Sessions of the range without a discovery; nothing is recorded of them. */
  readonly undiscovered: readonly string[]
}

export interface OptionPlanOptions {
  readonly root: string
  readonly series: SeriesId
  readonly range: SessionRange
  readonly ledger: Ledger
  readonly nowMs: number
  readonly force: boolean
  /** Sessions to be asked for once more, held or not. */
  readonly again?: ReadonlySet<string> | undefined
}

/** Bars of a contract near the money in a session, for estimates; most have far fewer. */
const TYPICAL_ROWS: Readonly<Record<string, number>> = { option_bars_1m: 150, option_bars_1d: 1 }
const TYPICAL_BYTES_PER_ROW = 20

/**
 * Plans the sessions of `range` that have a discovery: one call for each contract that is not settled.
 *
 * @throws {UsageError} when no session of the range has one
 * @throws {IntegrityError} when one is damaged
 */
export async function planOptionSeries(options: OptionPlanOptions): Promise<OptionPlan> {
  const { root, series, range, ledger, nowMs, force, again } = options
  const all = calendarOf(series.dataset.calendar).between(range.from, range.to)
  const discovered = new Set(await discoveredDates(root, series.ticker))
  const sessions = all.filter(({ date }) => discovered.has(date))
  if (sessions.length === 0) throw nothingDiscovered(series, range)
  const held: string[] = []
  const days: OptionDay[] = []
  for (const { date } of sessions.filter(({ extendedCloseMs }) => extendedCloseMs <= nowMs)) {
    const day = await planDay(options, date)
    const isSettled = isHeld(day, ledger.cells[date])
    if (isSettled) held.push(date)
    if (force || again?.has(date)) days.push(askedAnew(day))
    else if (!isSettled) days.push(day)
  }
  days.reverse() // newest first, as everywhere
  const calls = days.reduce((sum, { toFetch }) => sum + toFetch.length, 0)
  const estimatedRows = calls * (TYPICAL_ROWS[series.dataset.name] ?? 1)
  return {
    ...{ series, range, held, days, calls, estimatedRows },
    again: days.map(({ date }) => date).filter((date) => held.includes(date)),
    sessions: sessions.map(({ date }) => date),
    pending: sessions.filter(({ extendedCloseMs }) => extendedCloseMs > nowMs).map(({ date }) => date),
    items: days.map(({ date }) => ({ from: date, to: date, sessions: [date] })),
    estimatedBytes: estimatedRows * TYPICAL_BYTES_PER_ROW,
    undiscovered: all.map(({ date }) => date).filter((date) => !discovered.has(date)),
  }
}

/** Every contract once more; those that need not have been asked for were before. */
function askedAnew({ toFetch, ...day }: OptionDay): OptionDay {
  const open = new Set(toFetch)
  const askedBefore = new Set(day.contracts.filter((contract) => !open.has(contract)))
  return { ...day, toFetch: day.contracts, settled: new Map(), askedBefore }
}

/**
 * All sessions of a series that were discovered, up to today.
 *
 * @throws {UsageError} when there are none
 */
export async function discoveredRange(root: string, series: SeriesId, nowMs: number): Promise<SessionRange> {
  const today = newYorkDate(nowMs)
  const dates = (await discoveredDates(root, series.ticker)).filter((date) => date <= today)
  const [from, to] = [dates[0], dates.at(-1)]
  if (from === undefined || to === undefined) throw nothingDiscovered(series, { from: today, to: today })
  return { from, to }
}

function nothingDiscovered({ ticker }: SeriesId, { from, to }: SessionRange): UsageError {
  const when = from === to ? `for ${from}` : `between ${from} and ${to}`
  return new UsageError(`no contracts of ${ticker} were discovered ${when}`, {
    hint: `Run \`tapelake discover --underlying ${ticker} --date ${from}\` first.`,
  })
}

async function planDay({ root, series, ledger }: OptionPlanOptions, date: string): Promise<OptionDay> {
  const { contracts: found } = await loadContracts(root, series.ticker, date)
  const contracts = found.map(({ contract }) => contract)
  const cell = ledger.cells[date]
  const known = await readProgress(root, series, date)
  const base = { date, contracts, askedBefore: new Set<string>() }
  if (!known && cell && SETTLED.has(cell.state)) return { ...base, toFetch: [], settled: new Map() }
  const settled = trusted(known ?? new Map(), cell)
  const toFetch = cell?.state === 'not_entitled' ? [] : contracts.filter((contract) => !settled.has(contract))
  return { ...base, toFetch, settled }
}

const SETTLED: ReadonlySet<string> = new Set(['complete', 'empty', 'not_entitled'])

/** Committed entries count only while the ledger holds as many rows as they say; those with rows always do. */
function trusted(progress: Progress, cell: Cell | undefined): Progress {
  const count = (entries: readonly ContractEntry[]): number =>
    entries.reduce((sum, { rows }) => sum + rows, 0)
  const entries = [...progress.values()]
  const pending = entries.filter(isPending)
  const committed = entries.filter((entry) => !isPending(entry))
  const held = cell?.rows ?? 0
  const fits = held === count(committed) || held === count(committed) + count(pending)
  const kept = fits ? entries : pending
  return new Map(kept.map((entry) => [entry.contract, entry]))
}

/** True while the lake may lack the contract's rows. */
export const isPending = ({ bars }: ContractEntry): boolean => bars !== undefined

function isHeld({ toFetch, settled }: OptionDay, cell: Cell | undefined): boolean {
  if (!cell || !SETTLED.has(cell.state) || toFetch.length > 0) return false
  return ![...settled.values()].some(isPending)
}
