import { UsageError } from '../core/errors.ts'
import { calendarOf, type ExchangeCalendar } from '../market/calendar/index.ts'
import { newYorkDate, parseDate } from '../market/time.ts'
import { settledBy } from './settled.ts'

/** Which sessions are asked for, as the flags say it. Dates are New York dates, inclusive. */
export interface RangeRequest {
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** The last N sessions, up to `to` or the last finished one. */
  readonly days?: number | undefined
  readonly lastSession?: boolean | undefined
  /** Given instead of `from` and `to`, which are the same then. */
  readonly date?: string | undefined
}

/** Sessions to be recorded: all of the calendar from `from` to `to`, both inclusive. */
export interface SessionRange {
  readonly from: string
  readonly to: string
}

export interface RangeContext {
  readonly calendar: string
  readonly nowMs: number
  /** How many sessions are meant when nothing was recorded and nothing said. */
  readonly defaultSessions: number
  /** First session that the series already holds. */
  readonly heldFrom?: string | undefined
}

/**
 * The sessions that `request` means.
 *
 * Without dates: from the first session held (else the last `defaultSessions`) up to the last one finished.
 * A `to` of today takes today's session in; it stays pending until it has ended.
 *
 * @throws {UsageError} for impossible, reversed or future dates, and where no session lies between them
 */
export function resolveRange(request: RangeRequest, context: RangeContext): SessionRange {
  const calendar = calendarOf(context.calendar)
  const last = calendar.lastFinished(settledBy(context.nowMs)).date
  refuseBadDate(request.date === undefined ? '--from' : '--date', request.from, context.nowMs, last)
  refuseBadDate('--to', request.to, context.nowMs, last)
  const { from, to = last, days, lastSession } = request
  if (lastSession) return { from: last, to: last }
  if (from !== undefined && from > to) {
    if (request.to === undefined) throw nothingFinished(from, last)
    throw new UsageError(`--from ${from} is after --to ${to}`, { hint: 'Swap them, or leave out --to.' })
  }
  if (from !== undefined) return withSessions(calendar, { from, to })
  const end = endSession(calendar, to)
  const back = days ?? (context.heldFrom === undefined ? context.defaultSessions : undefined)
  if (back !== undefined) return { from: sessionsBack(calendar, end, back), to: end }
  const heldFrom = context.heldFrom ?? end
  return { from: heldFrom < end ? heldFrom : end, to: end }
}

const nothingFinished = (from: string, last: string): UsageError =>
  new UsageError(`no session has finished since --from ${from}: the last one is ${last}`, {
    hint: 'Come back when the session has ended, or give an earlier --from.',
  })

function refuseBadDate(flag: string, date: string | undefined, nowMs: number, last: string): void {
  if (date === undefined || parseDate(date) <= newYorkDate(nowMs)) return
  throw new UsageError(`${flag} ${date} is in the future`, {
    hint: `The last finished session is ${last}; without --to, recording ends there.`,
  })
}

function withSessions(calendar: ExchangeCalendar, { from, to }: SessionRange): SessionRange {
  const sessions = calendar.between(from, to)
  const first = sessions[0]
  if (first) return { from: first.date, to: sessions.at(-1)!.date }
  const why = calendar.closedReason(from)
  throw new UsageError(
    from === to
      ? `${from} is not a session of ${calendar.name}${why ? `: ${why}` : ''}`
      : `no session of ${calendar.name} lies between ${from} and ${to}`,
    { hint: `Neighbouring sessions: ${calendar.previous(from).date} and ${calendar.next(to).date}.` },
  )
}

const endSession = (calendar: ExchangeCalendar, to: string): string =>
  calendar.on(to) ? to : calendar.previous(to).date

/** The session `count - 1` sessions before `end`, or the first of the calendar. */
function sessionsBack(calendar: ExchangeCalendar, end: string, count: number): string {
  const sessions = calendar.between(calendar.firstDate, end)
  return (sessions.at(-count) ?? sessions[0])?.date ?? end
}
