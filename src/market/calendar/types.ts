import type { WallClock } from '../time.ts'

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
 * The sessions of one exchange, computed offline. Every method throws UsageError for a date that
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

/** What an exchange file says; `createCalendar` does the rest. */
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
