import { barSeconds } from '../market/buckets.ts'
import { calendarOf, type TradingSession } from '../market/calendar/index.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { addDays } from '../market/time.ts'

/** Sessions looked at on either side; a suspension that lasts longer is believed. */
const REACH = 5
/** Enough days for those, holidays and a closed week included. */
const REACH_DAYS = 16
/** Bars for this part of the regular hours, or so many ticks: nobody trades that much and then nothing at all. */
const BUSY_SHARE = 0.5
const BUSY_TICKS = 1000
/** Larger bars are there, one each, for stocks that hardly trade as well. */
const COARSEST_SECONDS = 60

/**
 * Whether a session without rows lies between sessions, each at most five away, in which so much traded that a day
 * without a single trade is hard to believe. False for datasets of which a session has few rows.
 *
 * @param rowsOf rows of a session as far as they are known, else 0
 */
export function isBetweenBusy(
  dataset: DatasetDefinition,
  date: string,
  rowsOf: (date: string) => number,
): boolean {
  const seconds = barSeconds(dataset)
  const tells = seriesKeyOf(dataset) === 'ticker' && (seconds === undefined || seconds <= COARSEST_SECONDS)
  if (dataset.eventKind !== 'instant' || !tells) return false
  const isBusy = ({ date: session, openMs, closeMs }: TradingSession): boolean =>
    rowsOf(session) >=
    (seconds === undefined ? BUSY_TICKS : (BUSY_SHARE * (closeMs - openMs)) / 1000 / seconds)
  const calendar = calendarOf(dataset.calendar)
  const { firstDate, lastDate } = calendar
  const [first, last] = [addDays(date, -REACH_DAYS), addDays(date, REACH_DAYS)]
  const around = calendar.between(first < firstDate ? firstDate : first, last > lastDate ? lastDate : last)
  const before = around.filter((session) => session.date < date).slice(-REACH)
  const after = around.filter((session) => session.date > date).slice(0, REACH)
  return [before.reverse(), after].every((sessions) => {
    const loud = sessions.find((session) => rowsOf(session.date) > 0)
    return loud !== undefined && isBusy(loud)
  })
}

export const BETWEEN_BUSY = 'no rows and no daily bar, although much traded in the sessions before and after'
