import { UsageError } from '../../core/errors.ts'
import { civilToDays, dateToDays, daysToCivil, daysToDate, weekdayOf, type WallClock } from '../time.ts'

/** One trading day of an exchange. All instants are UTC, milliseconds since the Unix epoch. */
export interface TradingSession {
  /** Exchange date, `YYYY-MM-DD`. */
  readonly date: string
  /** Regular hours, [openMs, closeMs). */
  readonly openMs: number
  readonly closeMs: number
  /** All hours in which the exchange trades for this date, [extendedOpenMs, extendedCloseMs). */
  readonly extendedOpenMs: number
  readonly extendedCloseMs: number
  /** True when regular hours ended before their usual time. */
  readonly earlyClose: boolean
}

/**
 * The sessions of one exchange, computed offline. Every method throws {@link UsageError} for a date that
 * is misspelt, does not exist or lies outside [firstDate, lastDate], and for an instant outside it.
 */
export interface ExchangeCalendar {
  /** Market identifier code (ISO 10383). */
  readonly code: string
  readonly name: string
  /** IANA zone of the exchange's dates and hours. */
  readonly timeZone: string
  /** The range it is written for, both inclusive, `YYYY-MM-DD`. */
  readonly firstDate: string
  readonly lastDate: string
  /** Sessions from `from` to `to`, both inclusive; none when `from` is after `to`. Costs O(result). */
  between(from: string, to: string): readonly TradingSession[]
  /** The session of `date`, or undefined when the exchange is closed. */
  on(date: string): TradingSession | undefined
  /** The last session whose extended close is at or before `nowMs`. */
  lastFinished(nowMs: number): TradingSession
  /** The first session strictly after `date`. */
  next(date: string): TradingSession
  /** The last session strictly before `date`. */
  previous(date: string): TradingSession
  /** The session whose extended hours contain the instant, or undefined. */
  at(ms: number): TradingSession | undefined
  /** Why there is no session on `date`: `weekend`, `Thanksgiving Day`, …; undefined on a session. */
  closedReason(date: string): string | undefined
}

/** Hours of one session, in milliseconds of wall time after midnight of its date (negative: the evening before). */
export interface SessionHours {
  readonly open: number
  readonly close: number
  readonly extendedOpen: number
  readonly extendedClose: number
  readonly earlyClose: boolean
}

/** What an exchange file says; {@link createCalendar} does the rest. */
export interface CalendarRules {
  readonly code: string
  readonly name: string
  readonly clock: WallClock
  readonly firstDate: string
  readonly lastDate: string
  /** Weekdays of `year` without a session: days since 1970-01-01 → reason. */
  closures(year: number): ReadonlyMap<number, string>
  /** Hours of the session on `days` since 1970-01-01. */
  hours(days: number): SessionHours
}

interface CalendarYear {
  readonly firstDays: number
  readonly closures: ReadonlyMap<number, string>
  readonly sessions: readonly TradingSession[]
  /** Per day of the year (0-based): how many sessions lie before it. One entry more than there are days. */
  readonly sessionsBefore: Uint16Array
}

/** A calendar from its rules. Years are computed when first asked for, and kept. */
export function createCalendar(rules: CalendarRules): ExchangeCalendar {
  const firstDays = dateToDays(rules.firstDate)
  const lastDays = dateToDays(rules.lastDate)
  const years = new Map<number, CalendarYear>()

  const yearOf = (year: number): CalendarYear => {
    let known = years.get(year)
    if (!known) {
      known = buildYear(rules, year, { firstDays, lastDays })
      years.set(year, known)
    }
    return known
  }
  const check = (days: number, what: string): number => {
    if (days >= firstDays && days <= lastDays) return days
    throw new UsageError(`${what} is outside the calendar of ${rules.name}`, {
      hint: `The calendar covers ${rules.firstDate} to ${rules.lastDate}.`,
    })
  }
  const inRange = (date: string): number => check(dateToDays(date), date)
  const instantDays = (ms: number): number => {
    if (!Number.isFinite(ms)) throw new UsageError(`${ms} is not an instant`)
    return rules.clock.daysAt(ms)
  }

  /** The n-th session counted from the start of `year`; n may run over into the years around it. */
  const nth = (year: number, n: number): TradingSession | undefined => {
    const { sessions } = yearOf(year)
    if (n >= sessions.length && year < daysToCivil(lastDays).year) return nth(year + 1, n - sessions.length)
    if (n < 0 && year > daysToCivil(firstDays).year)
      return nth(year - 1, n + yearOf(year - 1).sessions.length)
    return sessions[n]
  }
  const countBefore = (days: number): { year: number; before: number } => {
    const { year } = daysToCivil(days)
    const { firstDays: newYear, sessionsBefore } = yearOf(year)
    return { year, before: sessionsBefore[days - newYear]! }
  }
  const on = (date: string): TradingSession | undefined => {
    const days = inRange(date)
    const { year, before } = countBefore(days)
    const session = yearOf(year).sessions[before]
    return session?.date === date ? session : undefined
  }
  const orRefuse = (session: TradingSession | undefined, what: string): TradingSession => {
    if (session) return session
    throw new UsageError(`${rules.name} has no session ${what}`, {
      hint: `The calendar covers ${rules.firstDate} to ${rules.lastDate}.`,
    })
  }

  const between = (from: string, to: string): readonly TradingSession[] => {
    const [fromDays, toDays] = [inRange(from), inRange(to)]
    const out: TradingSession[] = []
    const lastYear = daysToCivil(toDays).year
    for (let { year } = daysToCivil(fromDays); year <= lastYear; year++) {
      out.push(...sessionsWithin(yearOf(year), fromDays, toDays))
    }
    return out
  }
  /** Which session is the first to end after the instant; it may have begun on the evening before its date. */
  const firstEndingAfter = (ms: number): { year: number; n: number } => {
    const { year, before } = countBefore(check(instantDays(ms), `the instant ${instantText(ms)}`))
    let n = nth(year, before - 1) ? before - 1 : before
    for (let session = nth(year, n); session && session.extendedCloseMs <= ms; session = nth(year, n)) n++
    return { year, n }
  }
  const at = (ms: number): TradingSession | undefined => {
    const { year, n } = firstEndingAfter(ms)
    const session = nth(year, n)
    return session && session.extendedOpenMs <= ms ? session : undefined
  }
  const lastFinished = (nowMs: number): TradingSession => {
    const { year, n } = firstEndingAfter(nowMs)
    return orRefuse(nth(year, n - 1), `finished by ${instantText(nowMs)}`)
  }
  const next = (date: string): TradingSession => {
    const { year, before } = countBefore(inRange(date))
    return orRefuse(nth(year, before + (on(date) ? 1 : 0)), `after ${date}`)
  }
  const previous = (date: string): TradingSession => {
    const { year, before } = countBefore(inRange(date))
    return orRefuse(nth(year, before - 1), `before ${date}`)
  }
  const closedReason = (date: string): string | undefined => {
    const days = inRange(date)
    const reason = yearOf(daysToCivil(days).year).closures.get(days)
    return reason ?? (isWeekend(days) ? 'weekend' : undefined)
  }
  const { code, name, clock, firstDate, lastDate } = rules
  const about = { code, name, timeZone: clock.name, firstDate, lastDate }
  return { ...about, between, on, lastFinished, next, previous, at, closedReason }
}

const isWeekend = (days: number): boolean => weekdayOf(days) === 0 || weekdayOf(days) === 6

function buildYear(
  rules: CalendarRules,
  year: number,
  range: { readonly firstDays: number; readonly lastDays: number },
): CalendarYear {
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

const instantText = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString()
}
