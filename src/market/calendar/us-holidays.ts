import { civilToDays, daysToDate, weekdayOf } from '../time.ts'

/** Dates of the holidays that United States exchanges keep. All are days since 1970-01-01. */

const SUNDAY = 0
const MONDAY = 1
const THURSDAY = 4
const SATURDAY = 6

export const dayOf = (year: number, month: number, day: number): number => civilToDays({ year, month, day })

/** The n-th `weekday` (0 Sunday) of a month, n from 1. */
export function nthWeekday(year: number, month: number, weekday: number, n: number): number {
  const first = dayOf(year, month, 1)
  return first + ((weekday - weekdayOf(first) + 7) % 7) + 7 * (n - 1)
}

/** The last `weekday` of a month. */
export function lastWeekday(year: number, month: number, weekday: number): number {
  const end = dayOf(month === 12 ? year + 1 : year, month === 12 ? 1 : month + 1, 1)
  return end - 7 + ((weekday - weekdayOf(end) + 7) % 7)
}

/** A holiday on a Saturday is kept on the Friday before, one on a Sunday on the Monday after. */
export function observed(days: number): number {
  const weekday = weekdayOf(days)
  if (weekday === SATURDAY) return days - 1
  return weekday === SUNDAY ? days + 1 : days
}

/** Easter Sunday of the Western church (Gauss's computus, Gregorian, as Meeus and Butcher give it). */
export function easterSunday(year: number): number {
  const golden = year % 19
  const century = Math.floor(year / 100)
  const leapCorrection = century - Math.floor(century / 4) - Math.floor((8 * century + 13) / 25)
  const epact = (leapCorrection + 19 * golden + 15) % 30
  const moon =
    epact - Math.floor(epact / 28) * (1 - Math.floor(29 / (epact + 1)) * Math.floor((21 - golden) / 11))
  const weekday = (year + Math.floor(year / 4) + moon + 2 - century + Math.floor(century / 4)) % 7
  const offset = moon - weekday
  const month = 3 + Math.floor((offset + 40) / 44)
  return dayOf(year, month, offset + 28 - 31 * Math.floor(month / 4))
}

export const goodFriday = (year: number): number => easterSunday(year) - 2
export const thanksgiving = (year: number): number => nthWeekday(year, 11, THURSDAY, 4)
export const christmas = (year: number): number => observed(dayOf(year, 12, 25))
export const independenceDay = (year: number): number => observed(dayOf(year, 7, 4))
export const martinLutherKingDay = (year: number): number => nthWeekday(year, 1, MONDAY, 3)
export const presidentsDay = (year: number): number => nthWeekday(year, 2, MONDAY, 3)
export const memorialDay = (year: number): number => lastWeekday(year, 5, MONDAY)
export const juneteenth = (year: number): number => observed(dayOf(year, 6, 19))
export const laborDay = (year: number): number => nthWeekday(year, 9, MONDAY, 1)

/**
 * New Year's Day; on a Sunday it is kept on Monday. On a Saturday the exchanges keep none, because the
 * Friday before ends the year's accounts: undefined.
 */
export function newYearsDay(year: number): number | undefined {
  const days = dayOf(year, 1, 1)
  return weekdayOf(days) === SATURDAY ? undefined : observed(days)
}

/** The holidays of a year on which stock exchanges are closed all day, with their names. */
export function usMarketHolidays(year: number): Map<number, string> {
  const holidays = new Map<number, string>()
  const newYear = newYearsDay(year)
  if (newYear !== undefined) holidays.set(newYear, "New Year's Day")
  if (year >= 1998) holidays.set(martinLutherKingDay(year), 'Martin Luther King Jr. Day')
  holidays.set(presidentsDay(year), "Presidents' Day")
  holidays.set(goodFriday(year), 'Good Friday')
  holidays.set(memorialDay(year), 'Memorial Day')
  if (year >= 2022) holidays.set(juneteenth(year), 'Juneteenth')
  holidays.set(independenceDay(year), 'Independence Day')
  holidays.set(laborDay(year), 'Labor Day')
  holidays.set(thanksgiving(year), 'Thanksgiving Day')
  holidays.set(christmas(year), 'Christmas Day')
  return holidays
}

/** True when the day before a holiday is a shortened session: a weekday Monday to Thursday. */
export function isMondayToThursday(days: number): boolean {
  const weekday = weekdayOf(days)
  return weekday >= MONDAY && weekday <= THURSDAY
}

/** A table of `YYYY-MM-DD` → value as a map by days since 1970-01-01. */
export function byDays<T>(table: Readonly<Record<string, T>>): ReadonlyMap<number, T> {
  return new Map(Object.entries(table).map(([date, value]) => [civilDays(date), value]))
}

function civilDays(date: string): number {
  const [year, month, day] = date.split('-').map(Number)
  const days = dayOf(year!, month!, day!)
  if (daysToDate(days) !== date) throw new RangeError(`${date} in a calendar table does not exist`)
  return days
}
