import { NEW_YORK, wallTime } from '../time.ts'
import { createCalendar } from './calendar.ts'
import type { ExchangeCalendar, SessionHours } from './types.ts'
import { dayOf } from './us-holidays.ts'
import { isShortDay, usClosures } from './xnys.ts'

/** First sessions with global trading hours, with trading through the night, with the curb session. */
const MORNING_HOURS_FROM = dayOf(2015, 3, 2)
const OVERNIGHT_HOURS_FROM = dayOf(2021, 11, 22)
const CURB_FROM = dayOf(2022, 4, 25)

const EVENING_BEFORE = wallTime(20, 15) - wallTime(24)

function extendedOpen(days: number): number {
  if (days >= OVERNIGHT_HOURS_FROM) return EVENING_BEFORE
  return days >= MORNING_HOURS_FROM ? wallTime(3) : wallTime(9, 30)
}

/** A quarter of an hour after the stock exchanges. */
const shortClose = (days: number): number => wallTime(days < dayOf(1993, 1, 1) ? 14 : 13, 15)

function hours(days: number): SessionHours {
  const short = isShortDay(days)
  const close = short ? shortClose(days) : wallTime(16, 15)
  const extendedClose = days >= CURB_FROM && !short ? wallTime(17) : close
  return { open: wallTime(9, 30), close, extendedOpen: extendedOpen(days), extendedClose, earlyClose: short }
}

/**
 * Index options (SPX, VIX) at Cboe. Regular hours 09:30–16:15 New York time, 13:15 on shortened days.
 * See docs/calendars.md for what the extended hours contain and from when.
 */
export const XCBO: ExchangeCalendar = createCalendar({
  code: 'XCBO',
  name: 'Cboe index options',
  clock: NEW_YORK,
  firstDate: '1990-01-01',
  lastDate: '2030-12-31',
  closures: usClosures,
  hours,
})
