import { CHICAGO, daysToCivil, wallTime, weekdayOf } from '../time.ts'
import { createCalendar } from './calendar.ts'
import type { ExchangeCalendar, SessionHours } from './types.ts'
import {
  byDays,
  christmas,
  dayOf,
  goodFriday,
  independenceDay,
  juneteenth,
  laborDay,
  martinLutherKingDay,
  memorialDay,
  newYearsDay,
  nthWeekday,
  presidentsDay,
  thanksgiving,
} from './us-holidays.ts'
import { isShortDay } from './xnys.ts'

const MONDAY = 1
const FRIDAY = 5

/** Electronic trading stops before the stock market would open: closures of the cash market only. */
const MORNING_ONLY = byDays({
  '2012-10-29': wallTime(8, 15),
  '2012-10-30': wallTime(8, 15),
  '2018-12-05': wallTime(8, 30),
  '2025-01-09': wallTime(8, 30),
})

/** Good Friday is a morning session when the employment report falls on it, the first Friday of April. */
const isReportFriday = (year: number): boolean => goodFriday(year) === nthWeekday(year, 4, FRIDAY, 1)

function closures(year: number): ReadonlyMap<number, string> {
  const out = new Map<number, string>([[christmas(year), 'Christmas Day']])
  const newYear = newYearsDay(year)
  if (newYear !== undefined) out.set(newYear, "New Year's Day")
  if (!isReportFriday(year)) out.set(goodFriday(year), 'Good Friday')
  return out
}

function isHolidaySession(days: number, year: number): boolean {
  const holidays = [
    martinLutherKingDay(year),
    presidentsDay(year),
    memorialDay(year),
    independenceDay(year),
    laborDay(year),
    thanksgiving(year),
  ]
  return holidays.includes(days) || (year >= 2022 && days === juneteenth(year))
}

/** Until this session the trading day ran from 15:30 to 15:15 of the next afternoon. */
const EVENING_CLOSE_FROM = dayOf(2012, 11, 19)

function usualClose(days: number): number {
  if (days >= dayOf(2015, 9, 21)) return wallTime(16)
  return days >= EVENING_CLOSE_FROM ? wallTime(16, 15) : wallTime(15, 15)
}

/** Reopening came at 15:30 only after a full session; Sundays and shortened days waited until 17:00. */
function openOnTheDayBefore(days: number): number {
  const eve = days - 1
  const weekday = weekdayOf(eve)
  const traded = weekday >= MONDAY && weekday <= FRIDAY && !closures(daysToCivil(eve).year).has(eve)
  const early = days < EVENING_CLOSE_FROM && traded && shortClose(eve) === undefined
  return (early ? wallTime(15, 30) : wallTime(17)) - wallTime(24)
}

function shortClose(days: number): number | undefined {
  const { year } = daysToCivil(days)
  const morning = MORNING_ONLY.get(days)
  if (morning !== undefined) return morning
  if (days === goodFriday(year)) return wallTime(8, 15)
  if (isHolidaySession(days, year)) return days < dayOf(2014, 5, 1) ? wallTime(10, 30) : wallTime(12)
  return isShortDay(days) ? wallTime(12, 15) : undefined
}

function hours(days: number): SessionHours {
  const open = openOnTheDayBefore(days)
  const short = shortClose(days)
  const close = short ?? usualClose(days)
  return { open, close, extendedOpen: open, extendedClose: close, earlyClose: short !== undefined }
}

/**
 * Equity-index futures (ES, NQ) on CME Globex. The session of a date opens at 17:00 Chicago time on the
 * calendar day before (Sunday for Monday) and closes at 16:00. It has no extended hours. Holidays that
 * only shorten trading are sessions of their own date. See docs/calendars.md for hours before 2015.
 */
export const XCME: ExchangeCalendar = createCalendar({
  code: 'XCME',
  name: 'CME equity-index futures',
  clock: CHICAGO,
  firstDate: '2010-01-01',
  lastDate: '2030-12-31',
  closures,
  hours,
})
