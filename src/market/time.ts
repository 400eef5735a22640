import { UsageError } from '../core/errors.ts'

/**
 * Dates as people write them (`YYYY-MM-DD`), as days since 1970-01-01, and the wall clocks of New York
 * and Chicago. Plain arithmetic: nothing here asks the machine for its zone or its zone database.
 */

export const MS_PER_DAY = 86_400_000
export const MS_PER_HOUR = 3_600_000
export const MS_PER_MINUTE = 60_000
export const US_PER_MS = 1000

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

export interface CivilDate {
  readonly year: number
  /** 1–12 */
  readonly month: number
  /** 1–31 */
  readonly day: number
}

const isLeapYear = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0

/** Days in `month` (1–12) of `year`. */
export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0)
}

/** True for a day that exists in the Gregorian calendar, years 0–9999. */
export function isCivilDate({ year, month, day }: CivilDate): boolean {
  return year >= 0 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
}

/** Days since 1970-01-01 of a Gregorian date; days outside the month carry over. */
export function civilToDays({ year, month, day }: CivilDate): number {
  // Years run from March, so that the leap day is the last of its year and months have a fixed rhythm.
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

/** The inverse of {@link civilToDays}. */
export function daysToCivil(days: number): CivilDate {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  }
}

/**
 * Days since 1970-01-01 of a date written `YYYY-MM-DD`.
 *
 * @throws {UsageError} naming the word, when it is not a date or no such day exists (2025-02-30)
 */
export function dateToDays(date: string): number {
  const match = DATE.exec(date)
  if (!match) {
    throw new UsageError(`'${date}' is not a date`, { hint: 'Write dates as YYYY-MM-DD, e.g. 2025-01-03.' })
  }
  const civil = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
  if (!isCivilDate(civil)) {
    throw new UsageError(`'${date}' does not exist`, { hint: 'Give a day that is in the calendar.' })
  }
  return civilToDays(civil)
}

/** The date `YYYY-MM-DD` of `days` since 1970-01-01, years 0–9999. */
export function daysToDate(days: number): string {
  const { year, month, day } = daysToCivil(days)
  return `${String(year).padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`
}

const twoDigits = (value: number): string => (value < 10 ? `0${value}` : String(value))

/**
 * `date` itself, once it is known to be one.
 *
 * @throws {UsageError} naming the word, when it is not a date written `YYYY-MM-DD` or does not exist
 */
export function parseDate(date: string): string {
  dateToDays(date)
  return date
}

/** The date `days` later (earlier, when negative). */
export function addDays(date: string, days: number): string {
  return daysToDate(dateToDays(date) + days)
}

/** 0 Sunday … 6 Saturday, of `days` since 1970-01-01 (a Thursday). */
export function weekdayOf(days: number): number {
  return (((days + 4) % 7) + 7) % 7
}

/** A wall clock of the United States. Exact from 1967, when daylight saving became uniform. */
export interface WallClock {
  /** IANA name. */
  readonly name: string
  /** What is added to UTC to read this clock, in milliseconds (negative), at the instant `utcMs`. */
  offsetMs(utcMs: number): number
  /**
   * The instant at which the clock reads `wallMs` after midnight of `days`; `wallMs` may be negative or
   * beyond one day. An hour read twice in autumn is taken the first time; one skipped in spring is moved
   * forward by the hour.
   */
  toUtcMs(days: number, wallMs: number): number
  /** Days since 1970-01-01 of the date that the clock shows at `utcMs`. */
  daysAt(utcMs: number): number
  /** The date `YYYY-MM-DD` that the clock shows at `utcMs`. */
  dateAt(utcMs: number): string
}

interface DaylightSpan {
  /** First and last calendar day with daylight time at noon: clocks change at 02:00 wall time. */
  readonly startDays: number
  readonly endDays: number
}

const daylightByYear = new Map<number, DaylightSpan>()

function daylightOf(year: number): DaylightSpan {
  let span = daylightByYear.get(year)
  if (!span) {
    span = computeDaylight(year)
    daylightByYear.set(year, span)
  }
  return span
}

function computeDaylight(year: number): DaylightSpan {
  if (year >= 2007) return { startDays: sundayFrom(year, 3, 8), endDays: sundayFrom(year, 11, 1) }
  const endDays = sundayFrom(year, 10, 25)
  if (year >= 1987) return { startDays: sundayFrom(year, 4, 1), endDays }
  // The oil crisis: daylight time began early in these two years.
  if (year === 1974) return { startDays: civilToDays({ year, month: 1, day: 6 }), endDays }
  if (year === 1975) return { startDays: civilToDays({ year, month: 2, day: 23 }), endDays }
  return { startDays: sundayFrom(year, 4, 24), endDays }
}

/** The first Sunday on or after a day. */
function sundayFrom(year: number, month: number, day: number): number {
  const days = civilToDays({ year, month, day })
  return days + ((7 - weekdayOf(days)) % 7)
}

function wallClock(name: string, standardHours: number): WallClock {
  const standardMs = standardHours * MS_PER_HOUR
  // The stretch of constant offset that was asked for last; rows mostly ask in order.
  let fromMs = Infinity
  let toMs = -Infinity
  let currentMs = standardMs

  const offsetMs = (utcMs: number): number => {
    if (utcMs >= fromMs && utcMs < toMs) return currentMs
    const { year } = daysToCivil(Math.floor((utcMs + standardMs) / MS_PER_DAY))
    const startMs = springMs(year)
    const endMs = autumnMs(year)
    if (utcMs < startMs) [fromMs, toMs, currentMs] = [autumnMs(year - 1), startMs, standardMs]
    else if (utcMs < endMs) [fromMs, toMs, currentMs] = [startMs, endMs, standardMs + MS_PER_HOUR]
    else [fromMs, toMs, currentMs] = [endMs, springMs(year + 1), standardMs]
    return currentMs
  }
  const springMs = (year: number): number =>
    daylightOf(year).startDays * MS_PER_DAY + 2 * MS_PER_HOUR - standardMs
  const autumnMs = (year: number): number => daylightOf(year).endDays * MS_PER_DAY + MS_PER_HOUR - standardMs

  const toUtcMs = (days: number, wallMs: number): number => {
    const asStandardMs = days * MS_PER_DAY + wallMs - standardMs
    const asDaylightMs = asStandardMs - MS_PER_HOUR
    return offsetMs(asDaylightMs) === standardMs ? asStandardMs : asDaylightMs
  }
  const daysAt = (utcMs: number): number => Math.floor((utcMs + offsetMs(utcMs)) / MS_PER_DAY)
  return { name, offsetMs, toUtcMs, daysAt, dateAt: (utcMs) => daysToDate(daysAt(utcMs)) }
}

export const NEW_YORK: WallClock = wallClock('America/New_York', -5)
export const CHICAGO: WallClock = wallClock('America/Chicago', -6)

/** The wall clock of an IANA zone that a calendar names. */
export const wallClockOf = (timeZone: string): WallClock => (timeZone === CHICAGO.name ? CHICAGO : NEW_YORK)

/** The date `YYYY-MM-DD` in New York at the instant `utcMs`. */
export const newYorkDate = (utcMs: number): string => NEW_YORK.dateAt(utcMs)

/** The date `YYYY-MM-DD` in Chicago at the instant `utcMs`. */
export const chicagoDate = (utcMs: number): string => CHICAGO.dateAt(utcMs)

/** Milliseconds after midnight of a wall time such as `wallTime(9, 30)`. */
export const wallTime = (hours: number, minutes = 0): number => hours * MS_PER_HOUR + minutes * MS_PER_MINUTE
