import { barSeconds } from '../market/buckets.ts'
import { calendarOf, type TradingSession } from '../market/calendar/index.ts'
import { seriesKeyOf, type DatasetDefinition } from '../market/dataset.ts'
import { addDays, MS_PER_MINUTE, US_PER_MS } from '../market/time.ts'

/** Sessions looked at on either side; a suspension that lasts longer is believed. */
const REACH = 5
/** Enough days for those, holidays and a closed week included. */
const REACH_DAYS = 16
/** Bars for this part of the regular hours, or so many ticks: nobody trades that much and then nothing at all. */
const BUSY_SHARE = 0.5
const BUSY_TICKS = 1000
/** Larger bars are there, one each, for stocks that hardly trade as well. */
const COARSEST_SECONDS = 60

const tells = (dataset: DatasetDefinition, seconds: number | undefined): boolean =>
  dataset.eventKind === 'instant' &&
  seriesKeyOf(dataset) === 'ticker' &&
  (seconds === undefined || seconds <= COARSEST_SECONDS)

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
  if (!tells(dataset, seconds)) return false
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

/** So long after the open the first trade of a busy session comes only after a halt, or where the answer was cut. */
const LATE_START_MS = 30 * MS_PER_MINUTE

/** Whether the rows of a session begin late although much traded from then on. */
export function startsLate(
  dataset: DatasetDefinition,
  date: string,
  { rows, firstUs }: { readonly rows: number; readonly firstUs: number },
): boolean {
  const seconds = barSeconds(dataset)
  const session = calendarOf(dataset.calendar).on(date)
  if (!session || !tells(dataset, seconds)) return false
  const leftMs = session.closeMs - firstUs / US_PER_MS
  if (leftMs <= 0 || firstUs / US_PER_MS < session.openMs + LATE_START_MS) return false
  return rows >= (seconds === undefined ? BUSY_TICKS : (BUSY_SHARE * leftMs) / 1000 / seconds)
}

export const BETWEEN_BUSY = 'no rows and no daily bar, although much traded in the sessions before and after'
