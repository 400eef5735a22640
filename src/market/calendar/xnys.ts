import { daysToCivil, NEW_YORK, wallTime, weekdayOf } from '../time.ts'
import { createCalendar } from './calendar.ts'
import type { ExchangeCalendar, SessionHours } from './types.ts'
import {
  byDays,
  dayOf,
  independenceDay,
  isMondayToThursday,
  thanksgiving,
  usMarketHolidays,
} from './us-holidays.ts'

/** Days on which the United States stock exchanges stayed closed outside the rules. */
const SPECIAL_CLOSURES: ReadonlyMap<number, string> = byDays({
  '1994-04-27': 'Funeral of President Nixon',
  '2001-09-11': 'September 11 attacks',
  '2001-09-12': 'September 11 attacks',
  '2001-09-13': 'September 11 attacks',
  '2001-09-14': 'September 11 attacks',
  '2004-06-11': 'National day of mourning for President Reagan',
  '2007-01-02': 'National day of mourning for President Ford',
  '2012-10-29': 'Hurricane Sandy',
  '2012-10-30': 'Hurricane Sandy',
  '2018-12-05': 'National day of mourning for President George H. W. Bush',
  '2025-01-09': 'National day of mourning for President Carter',
})

/** Unscheduled ends of regular trading: snow, a circuit breaker, a failure of the communication system. */
const UNSCHEDULED_CLOSES = byDays({
  '1994-02-11': wallTime(14, 30),
  '1996-01-08': wallTime(14),
  '1997-10-27': wallTime(15, 30),
  '2005-06-01': wallTime(15, 56),
})

/** Unscheduled starts: power failure, moments of silence, computers, snow, the first September 11 after. */
const LATE_OPENS = byDays({
  '1990-12-27': wallTime(11),
  '1991-01-17': wallTime(9, 31),
  '1991-02-25': wallTime(9, 31),
  '1995-12-18': wallTime(10, 30),
  '1996-01-08': wallTime(11),
  '2001-09-17': wallTime(9, 33),
  '2001-10-08': wallTime(9, 31),
  '2002-09-11': wallTime(12),
  '2003-03-20': wallTime(9, 32),
  '2004-06-07': wallTime(9, 32),
  '2006-12-27': wallTime(9, 32),
})

/** Shortened days that follow no rule. */
const ONE_OFF_SHORT_DAYS: ReadonlySet<number> = new Set([
  dayOf(1997, 12, 26),
  dayOf(1999, 12, 31),
  dayOf(2003, 12, 26),
])

const WEDNESDAY = 3

/** Closures of the stock exchanges in `year`, weekends aside. */
export function usClosures(year: number): ReadonlyMap<number, string> {
  const closures = usMarketHolidays(year)
  for (const [days, reason] of SPECIAL_CLOSURES) {
    if (daysToCivil(days).year === year) closures.set(days, reason)
  }
  return closures
}

/** True on a session that the exchanges shorten by schedule, three hours since 1993, two before. */
export function isShortDay(days: number): boolean {
  const { year } = daysToCivil(days)
  if (ONE_OFF_SHORT_DAYS.has(days)) return true
  if (days === thanksgiving(year) + 1) return year >= 1992
  if (days === dayOf(year, 12, 24)) return isMondayToThursday(days)
  return year >= 1995 && isShortIndependenceEve(days, year)
}

/** July 3 before a holiday on the 4th; where that was a Wednesday, Friday the 5th was short until 2012. */
function isShortIndependenceEve(days: number, year: number): boolean {
  const third = dayOf(year, 7, 3)
  if (independenceDay(year) !== third + 1 || !isMondayToThursday(third)) return false
  if (weekdayOf(third) === WEDNESDAY && year < 2013) return days === third + 2
  return days === third
}

function hours(days: number): SessionHours {
  const short = isShortDay(days)
  const scheduled = short ? wallTime(daysToCivil(days).year < 1993 ? 14 : 13) : wallTime(16)
  const close = UNSCHEDULED_CLOSES.get(days) ?? scheduled
  return {
    open: LATE_OPENS.get(days) ?? wallTime(9, 30),
    close,
    extendedOpen: wallTime(4),
    extendedClose: wallTime(short ? 17 : 20),
    earlyClose: close < wallTime(16),
  }
}

/**
 * The stock exchanges of New York (NYSE, Nasdaq and the other US equity venues keep the same days).
 * Regular hours 09:30–16:00 New York time; extended hours 04:00–20:00, on shortened days until 17:00,
 * as the electronic venues keep them now, for every year.
 */
export const XNYS: ExchangeCalendar = createCalendar({
  code: 'XNYS',
  name: 'New York Stock Exchange',
  clock: NEW_YORK,
  firstDate: '1990-01-01',
  lastDate: '2030-12-31',
  closures: usClosures,
  hours,
})
