import type { CellState, Ledger } from '../lake/ledger.ts'
import { ALL } from '../lake/series-contract.ts'
import type { SeriesId } from '../lake/layout.ts'
import { calendarOf, type TradingSession } from '../market/calendar/index.ts'
import type { RequestLimits } from '../sources/history.ts'
import { estimatePages, estimateRows, rowsPerSession } from './estimates.ts'
import type { SessionRange } from './range.ts'
import { settledBy } from './settled.ts'
import type { WorkItem } from './work-item.ts'

/** What it takes to complete one series, as data. */
export interface SeriesPlan {
  readonly series: SeriesId
  readonly range: SessionRange
  /** All sessions of the range, ascending. */
  readonly sessions: readonly string[]
  /** Sessions that are settled already: recorded, or known to be without rows. */
  readonly held: readonly string[]
  /** Sessions that have not ended yet. */
  readonly pending: readonly string[]
  /** Sessions that are held and asked for once more. */
  readonly again: readonly string[]
  /** Newest first: what people look at first is there first. */
  readonly items: readonly WorkItem[]
  /** Vendor requests, retries and checks of silent sessions not counted. Exact for bars; estimated for ticks. */
  readonly calls: number
  /** Estimates, from what the series holds or else from a liquid stock. */
  readonly estimatedRows: number
  readonly estimatedBytes: number
}

export interface PlanOptions {
  readonly series: SeriesId
  readonly range: SessionRange
  readonly ledger: Ledger
  readonly limits: RequestLimits
  readonly nowMs: number
  /** Record sessions that are held already once more. */
  readonly force: boolean
  /** Only these sessions of the range, held or not. */
  readonly only?: ReadonlySet<string> | undefined
  /** Sessions to be asked for once more, held or not. */
  readonly again?: ReadonlySet<string> | undefined
}

/** States that a run does not ask about again unless forced. */
const SETTLED: ReadonlySet<CellState> = new Set(['complete', 'empty', 'not_entitled'])

/** Sessions of one request whose pages cannot be foreseen: few enough that a crash repeats little. */
const PAGED_SESSIONS = 5

/** Plans one series: as few vendor requests as its limits allow, none for what is settled. */
export function planSeries(options: PlanOptions): SeriesPlan {
  const { series, range, ledger, limits, nowMs, force, only, again } = options
  const sessions = calendarOf(series.dataset.calendar).between(range.from, range.to)
  const finished = sessions.filter((session) => session.extendedCloseMs <= settledBy(nowMs))
  const isHeld = ({ date }: TradingSession): boolean => {
    const { state = 'missing', confirmed } = ledger.cells[date] ?? {}
    return SETTLED.has(state) || confirmed === ALL
  }
  const isWanted = (session: TradingSession): boolean =>
    only ? only.has(session.date) : force || !isHeld(session) || again?.has(session.date) === true
  const wanted = new Set(finished.filter(isWanted).map(({ date }) => date))
  const items = pack(finished, wanted, limits)
  const perSession = rowsPerSession(series.dataset, ledger)
  return {
    series,
    range,
    sessions: sessions.map(({ date }) => date),
    held: finished.filter(isHeld).map(({ date }) => date),
    again: finished.filter((session) => isHeld(session) && isWanted(session)).map(({ date }) => date),
    pending: sessions.slice(finished.length).map(({ date }) => date),
    items,
    calls: items.reduce((sum, item) => sum + estimatePages(item, limits, perSession), 0),
    ...estimateRows(wanted.size, series.dataset, ledger),
  }
}

/**
 * Covers `wanted` with the fewest windows that fit a request each: from the newest session backwards, every
 * window starts at a wanted session and reaches as far as the page limit allows (optimal for intervals).
 */
function pack(
  sessions: readonly TradingSession[],
  wanted: ReadonlySet<string>,
  limits: RequestLimits,
): WorkItem[] {
  const items: WorkItem[] = []
  for (let newest = sessions.length - 1; newest >= 0; newest--) {
    if (!wanted.has(sessions[newest]!.date)) continue
    const oldest = windowStart(sessions, newest, limits)
    const window = sessions.slice(oldest, newest + 1).map(({ date }) => date)
    const taken = window.filter((date) => wanted.has(date))
    items.push({ from: taken[0]!, to: sessions[newest]!.date, sessions: taken })
    newest = oldest
  }
  return items
}

/** Index of the oldest session that still fits one request ending with `newest`. */
function windowStart(sessions: readonly TradingSession[], newest: number, limits: RequestLimits): number {
  const { pageRows, baseSeconds, anyRange } = limits
  if (anyRange) return 0
  if (baseSeconds === undefined) return newest
  let room = pageRows
  let oldest = newest + 1
  while (oldest > 0 && (room -= baseAggregates(sessions[oldest - 1]!, baseSeconds)) >= 0) oldest--
  if (newest - oldest + 1 > 1) return oldest
  return Math.max(0, newest - PAGED_SESSIONS + 1)
}

/** Most base aggregates that a session can have: one for each stretch of its extended hours. */
export function baseAggregates(session: TradingSession, baseSeconds: number): number {
  const { extendedOpenMs, extendedCloseMs } = session
  return Math.max(1, Math.floor((extendedCloseMs - extendedOpenMs) / 1000 / baseSeconds))
}
