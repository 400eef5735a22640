import type { TradingSession } from '../../market/calendar/index.ts'
import {
  CHICAGO,
  civilToDays,
  dateToDays,
  daysToCivil,
  daysToDate,
  MS_PER_HOUR,
  MS_PER_MINUTE,
  NEW_YORK,
} from '../../market/time.ts'
import { adjustBars, type Bars, barsBetween, emptyBars, joinBars } from './bars.ts'
import { secondBars } from './seconds.ts'
import { splitFactor } from './splits.ts'
import type { Listing } from './universe.ts'
import type { World } from './world.ts'

export const TIMESPANS = ['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const
export type Timespan = (typeof TIMESPANS)[number]

/** What bars are wanted. */
export interface BarsQuery {
  readonly listing: Listing
  readonly multiplier: number
  readonly timespan: Timespan
  /** First and last instant, ms since the epoch, both inclusive; windows they touch are given whole. */
  readonly fromMs: number
  readonly toMs: number
  /** Adjust to the shares of this New York date; absent: the shares of each day. */
  readonly adjustTo?: string
  /** Nothing that happened later is known. */
  readonly asOfMs: number
  readonly order: 'asc' | 'desc'
}

const INTRADAY_MS: Partial<Record<Timespan, number>> = {
  second: 1000,
  minute: MS_PER_MINUTE,
  hour: MS_PER_HOUR,
}
const MONTHS: Partial<Record<Timespan, number>> = { month: 1, quarter: 3, year: 12 }
/** 1970-01-04, the first Sunday of the epoch, in days. */
const FIRST_SUNDAY = 3

/**
 * The bars of `query`, in pieces of a session or a longer window each; pieces come in the order asked,
 * the bars inside a piece always ascend. Lazy: a reader that stops makes nothing further.
 */
export function barPieces(world: World, query: BarsQuery): Generator<Bars> {
  return INTRADAY_MS[query.timespan] === undefined ? longPieces(world, query) : intradayPieces(world, query)
}

/** The start of the window after the one that starts at `startMs`. */
export function nextWindowMs({ timespan, multiplier, listing }: BarsQuery, startMs: number): number {
  const unitMs = INTRADAY_MS[timespan]
  if (unitMs !== undefined) return startMs + unitMs * multiplier
  const clock = clockOf(listing)
  return clock.toUtcMs(
    periodStart(timespan, multiplier, periodOf(timespan, multiplier, clock.daysAt(startMs)) + 1),
    0,
  )
}

function* intradayPieces(world: World, query: BarsQuery): Generator<Bars> {
  const sizeMs = INTRADAY_MS[query.timespan]! * query.multiplier
  const fromDays = NEW_YORK.daysAt(query.fromMs)
  const toDays = NEW_YORK.daysAt(query.toMs)
  const sessions = sessionsIn(world, query, fromDays, toDays)
  for (const session of sessions) {
    const midnightMs = NEW_YORK.toUtcMs(dateToDays(session.date), 0)
    const snap = (ms: number): number => midnightMs + Math.floor((ms - midnightMs) / sizeMs) * sizeMs
    const base = barsBetween(baseBars(world, query, session), snap(query.fromMs), snap(query.toMs) + sizeMs)
    const bars =
      sizeMs === INTRADAY_MS[query.timespan] && query.timespan !== 'hour'
        ? base
        : joinBars(base, base.startMs.subarray(0, base.length).map(snap))
    if (bars.length > 0) yield bars
  }
}

function baseBars(world: World, query: BarsQuery, session: TradingSession): Bars {
  const { listing, asOfMs, timespan } = query
  const bars =
    timespan === 'second'
      ? secondBars(world, listing, session, asOfMs)
      : world.minutes(listing, session, asOfMs)
  return adjusted(bars, query, session)
}

const adjusted = (bars: Bars, { listing, adjustTo }: BarsQuery, session: TradingSession): Bars =>
  adjustTo === undefined ? bars : adjustBars(bars, splitFactor(listing.ticker, session.date, adjustTo))

/** Bars of a day or longer: made of the regular hours of each session. */
function* longPieces(world: World, query: BarsQuery): Generator<Bars> {
  const { timespan, multiplier, listing } = query
  const clock = clockOf(listing)
  const period = (days: number): number => periodOf(timespan, multiplier, days)
  const start = (index: number): number => periodStart(timespan, multiplier, index)
  const fromDays = start(period(NEW_YORK.daysAt(query.fromMs)))
  const toDays = start(period(NEW_YORK.daysAt(query.toMs)) + 1) - 1
  let open: { readonly index: number; readonly sessions: TradingSession[] } | undefined
  for (const session of sessionsIn(world, query, fromDays, toDays)) {
    const index = period(dateToDays(session.date))
    if (open && open.index !== index) {
      yield* longBar(world, query, open.sessions, clock.toUtcMs(start(open.index), 0))
      open = undefined
    }
    open ??= { index, sessions: [] }
    open.sessions.push(session)
  }
  if (open) yield* longBar(world, query, open.sessions, clock.toUtcMs(start(open.index), 0))
}

function* longBar(
  world: World,
  query: BarsQuery,
  sessions: TradingSession[],
  startMs: number,
): Generator<Bars> {
  if (query.order === 'desc') sessions.reverse()
  const days = emptyBars(sessions.length)
  for (const session of sessions) {
    const day = adjusted(world.regularHours(query.listing, session, query.asOfMs), query, session)
    if (day.length === 0) continue
    const row = days.length++
    for (const name of ['open', 'high', 'low', 'close', 'volume', 'vwap', 'count'] as const) {
      days[name][row] = day[name][0]!
    }
    days.base[row] = 1
  }
  if (days.length > 0) yield joinBars(days, new Float64Array(days.length).fill(startMs))
}

function sessionsIn(
  world: World,
  query: BarsQuery,
  fromDays: number,
  toDays: number,
): readonly TradingSession[] {
  const sessions = world.sessions(query.listing, clampedDate(fromDays), clampedDate(toDays))
  return query.order === 'asc' ? sessions : sessions.toReversed()
}

/** Years 1 to 9999: what a date can be written for. */
const clampedDate = (days: number): string => daysToDate(Math.min(Math.max(days, -700_000), 2_900_000))

/** Days of an index are days in Chicago, of anything else days in New York. */
const clockOf = (listing: Listing) => (listing.market === 'indices' ? CHICAGO : NEW_YORK)

function periodOf(timespan: Timespan, multiplier: number, days: number): number {
  const months = MONTHS[timespan]
  if (months === undefined)
    return Math.floor(timespan === 'week' ? (days - FIRST_SUNDAY) / (7 * multiplier) : days / multiplier)
  const { year, month } = daysToCivil(days)
  return Math.floor(((year - 1970) * 12 + month - 1) / (months * multiplier))
}

function periodStart(timespan: Timespan, multiplier: number, index: number): number {
  const months = MONTHS[timespan]
  if (months === undefined)
    return timespan === 'week' ? FIRST_SUNDAY + index * 7 * multiplier : index * multiplier
  const month = index * months * multiplier
  return civilToDays({ year: 1970 + Math.floor(month / 12), month: (((month % 12) + 12) % 12) + 1, day: 1 })
}
