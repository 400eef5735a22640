import { UsageError } from '../../core/errors.ts'
import { dateToDays } from '../time.ts'
import { after, before, createSessionIndex, isWeekend, type Place } from './session-index.ts'
import type { CalendarRules, ExchangeCalendar, TradingSession } from './types.ts'

/** A calendar from the rules of an exchange. */
export function createCalendar(rules: CalendarRules): ExchangeCalendar {
  const { code, name, clock, firstDate, lastDate } = rules
  const index = createSessionIndex(rules)
  const guard = createGuard(rules)

  const on = (date: string): TradingSession | undefined => {
    const session = index.sessionAt(index.placeOf(guard.daysOf(date)))
    return session?.date === date ? session : undefined
  }
  const endingAfter = (ms: number): Place => index.placeEndingAfter(ms, guard.daysAt(ms))
  const at = (ms: number): TradingSession | undefined => {
    const session = index.sessionAt(endingAfter(ms))
    return session && session.extendedOpenMs <= ms ? session : undefined
  }
  const next = (date: string): TradingSession => {
    const place = index.placeOf(guard.daysOf(date))
    return guard.found(index.sessionAt(on(date) ? after(place) : place), `after ${date}`)
  }
  const closedReason = (date: string): string | undefined => {
    const days = guard.daysOf(date)
    return index.closureOn(days) ?? (isWeekend(days) ? 'weekend' : undefined)
  }
  return {
    ...{ code, name, timeZone: clock.name, firstDate, lastDate },
    ...{ on, at, next, closedReason },
    between: (from, to) => index.within(guard.daysOf(from), guard.daysOf(to)),
    previous: (date) =>
      guard.found(index.sessionAt(before(index.placeOf(guard.daysOf(date)))), `before ${date}`),
    lastFinished: (nowMs) =>
      guard.found(index.sessionAt(before(endingAfter(nowMs))), `finished by ${instantText(nowMs)}`),
  }
}

/** Refuses what the calendar does not cover. All throw {@link UsageError}. */
interface Guard {
  /** Days since 1970-01-01 of a date in range. */
  daysOf(date: string): number
  /** Days since 1970-01-01 of the exchange date in range at an instant. */
  daysAt(ms: number): number
  /** The session, where there is one. */
  found(session: TradingSession | undefined, where: string): TradingSession
}

function createGuard({ name, clock, firstDate, lastDate }: CalendarRules): Guard {
  const [firstDays, lastDays] = [dateToDays(firstDate), dateToDays(lastDate)]
  const hint = `The calendar covers ${firstDate} to ${lastDate}.`
  const inRange = (days: number, what: string): number => {
    if (days >= firstDays && days <= lastDays) return days
    throw new UsageError(`${what} is outside the calendar of ${name}`, { hint })
  }
  return {
    daysOf: (date) => inRange(dateToDays(date), date),
    daysAt(ms) {
      if (!Number.isFinite(ms)) throw new UsageError(`${ms} is not an instant`)
      return inRange(clock.daysAt(ms), `the instant ${instantText(ms)}`)
    },
    found(session, where) {
      if (session) return session
      throw new UsageError(`${name} has no session ${where}`, { hint })
    },
  }
}

const instantText = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString()
}
