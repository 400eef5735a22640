import type { TradingSession } from '../../market/calendar/index.ts'
import { addDays, MS_PER_MINUTE, NEW_YORK, newYorkDate, weekdayOf, dateToDays } from '../../market/time.ts'
import { type Answer, type Call, jsonAnswer } from '../call.ts'

const UPCOMING_DAYS = 400
const EXCHANGES = ['NYSE', 'NASDAQ', 'OTC'] as const

/** GET /v1/marketstatus/now */
export function marketStatus(call: Call): Answer {
  const { nowMs } = call
  const session = call.world.calendar.at(nowMs)
  const open = session !== undefined && nowMs >= session.openMs && nowMs < session.closeMs
  const market = open ? 'open' : session ? 'extended-hours' : 'closed'
  return jsonAnswer({
    market,
    earlyHours: session !== undefined && nowMs < session.openMs,
    afterHours: session !== undefined && nowMs >= session.closeMs,
    serverTime: newYorkClock(nowMs),
    exchanges: { nyse: market, nasdaq: market, otc: open ? 'open' : 'closed' },
    currencies: { fx: 'open', crypto: 'open' },
  })
}

/** `2022-04-28T16:48:08-04:00` */
function newYorkClock(nowMs: number): string {
  const offsetMs = NEW_YORK.offsetMs(nowMs)
  const hours = String(-offsetMs / (60 * MS_PER_MINUTE)).padStart(2, '0')
  return `${new Date(nowMs + offsetMs).toISOString().slice(0, 19)}-${hours}:00`
}

/** GET /v1/marketstatus/upcoming: a bare array, one row for each exchange and day. */
export function upcomingHolidays(call: Call): Answer {
  const { calendar } = call.world
  const rows: unknown[] = []
  const today = newYorkDate(call.nowMs)
  for (let i = 0; i <= UPCOMING_DAYS; i++) {
    const date = addDays(today, i)
    if (date > calendar.lastDate) break
    const session = calendar.on(date)
    const weekday = weekdayOf(dateToDays(date))
    if (session?.earlyClose === true) rows.push(...EXCHANGES.map((exchange) => earlyClose(exchange, session)))
    if (session || weekday === 0 || weekday === 6) continue
    const name = calendar.closedReason(date)
    rows.push(...EXCHANGES.map((exchange) => ({ date, exchange, name, status: 'closed' })))
  }
  return jsonAnswer(rows)
}

const earlyClose = (exchange: string, session: TradingSession) => ({
  date: session.date,
  exchange,
  name: 'Early Close',
  status: 'early-close',
  open: new Date(session.openMs).toISOString(),
  close: new Date(session.closeMs).toISOString(),
})
