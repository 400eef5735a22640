import { civilToDays, dateToDays, daysToCivil, daysToDate, weekdayOf } from '../time.ts'
import type { CalendarRules, TradingSession } from './types.ts'

/** A place in the run of sessions: the n-th of a year, counted from 0; n may run over into other years. */
export interface Place {
  readonly year: number
  readonly n: number
}

/** All sessions of a calendar in order, found by day or by instant. Days lie within the calendar's range. */
export interface SessionIndex {
  /** Sessions with fromDays ≤ date ≤ toDays. */
  within(fromDays: number, toDays: number): TradingSession[]
  /** Where the first session on or after `days` is, if there is one. */
  placeOf(days: number): Place
  /** Where the first session is that ends after the instant `ms`, which falls on `days`. */
  placeEndingAfter(ms: number, days: number): Place
  /** The session at a place, or undefined before the first and after the last. */
  sessionAt(place: Place): TradingSession | undefined
  /** Why a weekday has no session, as the rules say. */
  closureOn(days: number): string | undefined
}

interface CalendarYear {
  readonly firstDays: number
  readonly closures: ReadonlyMap<number, string>
  readonly sessions: readonly TradingSession[]
  /** Per day of the year (0-based): how many sessions lie before it. One entry more than there are days. */
  readonly sessionsBefore: Uint16Array
}

/** Years are computed when first asked for, and kept. */
export function createSessionIndex(rules: CalendarRules): SessionIndex {
  const firstYear = daysToCivil(dateToDays(rules.firstDate)).year
  const lastYear = daysToCivil(dateToDays(rules.lastDate)).year
  const years = new Map<number, CalendarYear>()

  const yearOf = (year: number): CalendarYear => {
    const known = years.get(year) ?? buildYear(rules, year)
    years.set(year, known)
    return known
  }
  const sessionAt = ({ year, n }: Place): TradingSession | undefined => {
    const { sessions } = yearOf(year)
    if (n >= sessions.length && year < lastYear) return sessionAt({ year: year + 1, n: n - sessions.length })
    if (n < 0 && year > firstYear)
      return sessionAt({ year: year - 1, n: n + yearOf(year - 1).sessions.length })
    return sessions[n]
  }
  const placeOf = (days: number): Place => {
    const { year } = daysToCivil(days)
    const { firstDays, sessionsBefore } = yearOf(year)
    return { year, n: sessionsBefore[days - firstDays]! }
  }
  const hasEnded = (place: Place, ms: number): boolean =>
    (sessionAt(place)?.extendedCloseMs ?? Infinity) <= ms
  const placeEndingAfter = (ms: number, days: number): Place => {
    // The session of the day before may not have ended yet.
    const earlier = before(placeOf(days))
    let place = sessionAt(earlier) ? earlier : after(earlier)
    while (hasEnded(place, ms)) place = after(place)
    return place
  }
  const within = (fromDays: number, toDays: number): TradingSession[] => {
    const out: TradingSession[] = []
    for (let { year } = daysToCivil(fromDays); year <= daysToCivil(toDays).year; year++) {
      out.push(...sessionsWithin(yearOf(year), fromDays, toDays))
    }
    return out
  }
  const closureOn = (days: number): string | undefined => yearOf(daysToCivil(days).year).closures.get(days)
  return { within, placeOf, placeEndingAfter, sessionAt, closureOn }
}

export const before = ({ year, n }: Place): Place => ({ year, n: n - 1 })
export const after = ({ year, n }: Place): Place => ({ year, n: n + 1 })

export const isWeekend = (days: number): boolean => weekdayOf(days) === 0 || weekdayOf(days) === 6

function buildYear(rules: CalendarRules, year: number): CalendarYear {
  const range = { firstDays: dateToDays(rules.firstDate), lastDays: dateToDays(rules.lastDate) }
  const firstDays = civilToDays({ year, month: 1, day: 1 })
  const endDays = civilToDays({ year: year + 1, month: 1, day: 1 })
  const closures = rules.closures(year)
  const sessions: TradingSession[] = []
  const sessionsBefore = new Uint16Array(endDays - firstDays + 1)
  for (let days = firstDays; days < endDays; days++) {
    sessionsBefore[days - firstDays] = sessions.length
    const covered = days >= range.firstDays && days <= range.lastDays
    if (covered && !isWeekend(days) && !closures.has(days)) sessions.push(sessionOf(rules, days))
  }
  sessionsBefore[endDays - firstDays] = sessions.length
  return { firstDays, closures, sessions, sessionsBefore }
}

function sessionOf(rules: CalendarRules, days: number): TradingSession {
  const { clock } = rules
  const { open, close, extendedOpen, extendedClose, earlyClose } = rules.hours(days)
  return Object.freeze({
    date: daysToDate(days),
    openMs: clock.toUtcMs(days, open),
    closeMs: clock.toUtcMs(days, close),
    extendedOpenMs: clock.toUtcMs(days, extendedOpen),
    extendedCloseMs: clock.toUtcMs(days, extendedClose),
    earlyClose,
  })
}

function sessionsWithin(year: CalendarYear, fromDays: number, toDays: number): readonly TradingSession[] {
  const last = year.sessionsBefore.length - 1
  const from = Math.min(Math.max(fromDays - year.firstDays, 0), last)
  const to = Math.min(Math.max(toDays - year.firstDays + 1, 0), last)
  return year.sessions.slice(year.sessionsBefore[from], year.sessionsBefore[to])
}
