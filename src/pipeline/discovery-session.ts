import { UsageError } from '../core/errors.ts'
import { calendarOf, type TradingSession } from '../market/calendar/index.ts'
import { optionContracts } from '../market/datasets/options.ts'
import { newYorkDate, parseDate } from '../market/time.ts'

/**
 * The session whose contracts are to be discovered: `date`, else that of today (New York), else the next one.
 *
 * @throws {UsageError} when `date` is no session, or later than the next one
 */
export function sessionOf(date: string | undefined, nowMs: number): TradingSession {
  const calendar = calendarOf(optionContracts.calendar)
  const today = newYorkDate(nowMs)
  if (date === undefined) return calendar.on(today) ?? calendar.next(today)
  const next = calendar.next(today)
  if (parseDate(date) > next.date) {
    throw new UsageError(`--date ${date} is beyond the next session`, {
      hint: `The next session is ${next.date}; contracts of later days are not listed yet.`,
    })
  }
  const session = calendar.on(date)
  if (session) return session
  const why = calendar.closedReason(date)
  throw new UsageError(`${date} is not a session${why ? `: ${why}` : ''}`, {
    hint: `Neighbouring sessions: ${calendar.previous(date).date} and ${calendar.next(date).date}.`,
  })
}
