import { UsageError } from '../../core/errors.ts'
import { daysToDate, wallClockOf } from '../time.ts'
import { calendarOf, type ExchangeCalendar, type TradingSession } from './index.ts'

/** A trading session with its hours as instants. */
export interface Session {
  /** Exchange date, `YYYY-MM-DD`. */
  readonly date: string
  /** Regular hours, [open, close). */
  readonly open: Date
  readonly close: Date
  /** Hours with pre-market and after-hours trading, [extendedOpen, extendedClose). */
  readonly extendedOpen: Date
  readonly extendedClose: Date
  /** True when regular hours ended before their usual time. */
  readonly earlyClose: boolean
}

/** A date `YYYY-MM-DD` of the exchange, or an instant that falls on it there. */
export type DateLike = string | Date

/** A Date, milliseconds since the Unix epoch, or ISO 8601 with `Z` or an offset. */
export type InstantLike = Date | number | string

/**
 * The trading sessions of an exchange from `from` to `to`, both inclusive.
 *
 * @throws {ConfigError} for an unknown exchange
 * @throws {UsageError} for a date that does not exist, lies outside the calendar, or `from` after `to`
 */
export function sessions(exchange: string, from: DateLike, to: DateLike): Session[] {
  const calendar = calendarOf(exchange)
  const [first, last] = [dateOf(calendar, from), dateOf(calendar, to)]
  const found = calendar.between(first, last)
  if (first > last) throw new UsageError(`from ${first} is after to ${last}`)
  return found.map(toSession)
}

/**
 * Whether the exchange trades at an instant; with `extended`, outside regular hours too.
 *
 * @throws {ConfigError} for an unknown exchange
 * @throws {UsageError} for an instant that cannot be read, says no zone or lies outside the calendar
 */
export function isOpen(exchange: string, instant: InstantLike, { extended = false } = {}): boolean {
  const ms = instantMs(instant)
  const session = calendarOf(exchange).at(ms)
  if (!session) return false
  return extended || (ms >= session.openMs && ms < session.closeMs)
}

/** The first session strictly after `date`. @throws as {@link sessions} */
export function nextSession(exchange: string, date: DateLike): Session {
  const calendar = calendarOf(exchange)
  return toSession(calendar.next(dateOf(calendar, date)))
}

/** The last session strictly before `date`. @throws as {@link sessions} */
export function previousSession(exchange: string, date: DateLike): Session {
  const calendar = calendarOf(exchange)
  return toSession(calendar.previous(dateOf(calendar, date)))
}

function toSession(session: TradingSession): Session {
  const { date, openMs, closeMs, extendedOpenMs, extendedCloseMs, earlyClose } = session
  return {
    date,
    open: new Date(openMs),
    close: new Date(closeMs),
    extendedOpen: new Date(extendedOpenMs),
    extendedClose: new Date(extendedCloseMs),
    earlyClose,
  }
}

function dateOf({ timeZone }: ExchangeCalendar, date: DateLike): string {
  if (typeof date === 'string') return date
  return daysToDate(wallClockOf(timeZone).daysAt(instantMs(date)))
}

const ISO_WITH_ZONE = /T.*(?:Z|[+-]\d{2}:?\d{2})$/

function instantMs(instant: InstantLike): number {
  // Without a zone the answer would depend on where the machine stands.
  const named = typeof instant !== 'string' || ISO_WITH_ZONE.test(instant)
  const ms = named ? new Date(instant).getTime() : NaN
  if (Number.isFinite(ms)) return ms
  throw new UsageError(`'${String(instant)}' is not an instant`, {
    hint: 'Give a Date, milliseconds since 1970, or ISO 8601 with a zone such as 2025-01-03T14:30:00Z.',
  })
}
