import { requireColumn, type Batch } from '../core/batch.ts'
import { calendarOf, type ExchangeCalendar } from './calendar/index.ts'
import type { DatasetDefinition } from './dataset.ts'
import { dateToDays, daysToDate, US_PER_MS, wallClockOf } from './time.ts'

/** Which session every row of a batch belongs to. */
export interface SessionRows {
  /** Dates `YYYY-MM-DD` of the sessions met, in the order of their first row. */
  readonly dates: readonly string[]
  /** Per row: index into `dates`, or -1 for a row that belongs to no session. */
  readonly codes: Int32Array
}

/** All event values in [from, to) belong to the session of `date` (undefined: to none). */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly date: string | undefined
}

type Lookup = (value: number) => Stretch

const nowhere = (value: number): Stretch => ({ from: value, to: value, date: undefined })

/**
 * Assigns the rows of `batch` to sessions of the dataset's calendar, as `dataset.eventKind` says:
 * `instant` the session whose extended hours contain it; `day` exactly midnight, exchange time, of a
 * session; `date` that session, or the next one where the exchange is closed on the date.
 * A null, and a value outside the calendar's range, belongs to none. Fastest on rows in time order.
 *
 * @throws {SchemaError} when the batch lacks the event column
 */
export function sessionDates(dataset: DatasetDefinition, batch: Batch): SessionRows {
  const { eventColumn, eventKind, calendar } = dataset
  const values = requireColumn(batch, eventColumn, eventKind === 'date' ? 'date' : 'timestamp')
  const last = known.get(values)
  if (last?.calendar === calendar && last.eventKind === eventKind) return last.rows
  const rows = assign(dataset, values)
  if (values.length >= LEAST_KNOWN) known.set(values, { calendar, eventKind, rows })
  return rows
}

/** To remember fewer rows would cost more than to look again. */
const LEAST_KNOWN = 4096

/** What is known of columns that are still there: one page is asked about at every step of its way. */
const known = new WeakMap<
  Float64Array,
  Pick<DatasetDefinition, 'calendar' | 'eventKind'> & { readonly rows: SessionRows }
>()

function assign(dataset: DatasetDefinition, values: Float64Array): SessionRows {
  const lookup = lookupOf(dataset)
  const codes = new Int32Array(values.length)
  const dates: string[] = []
  const codeOf = new Map<string, number>()
  for (let row = 0; row < values.length;) {
    const value = values[row]!
    const { from, to, date } = Number.isFinite(value) ? lookup(value) : nowhere(value)
    const end = endOfStretch(values, row + 1, from, to)
    codes.fill(date === undefined ? -1 : register(date, dates, codeOf), row, end)
    row = end
  }
  return { dates, codes }
}

/** The first row from `row` on whose value is not in [from, to), or the number of rows. */
function endOfStretch(values: Float64Array, row: number, from: number, to: number): number {
  let end = row
  while (end < values.length && values[end]! >= from && values[end]! < to) end++
  return end
}

/** Event values of the rows of one session: at or after `from`, before `to`. */
export interface SessionBounds {
  readonly from: number
  readonly to: number
}

/**
 * Where the rows of the session of `date` lie, in the values of the event column: microseconds since the epoch, or
 * days since then where `dataset.eventKind` is `date`. The inverse of {@link sessionDates}.
 *
 * @param date a session of the dataset's calendar
 */
export function sessionBounds({ calendar: name, eventKind }: DatasetDefinition, date: string): SessionBounds {
  const calendar = calendarOf(name)
  if (eventKind === 'date') {
    const { firstDate } = calendar
    const { date: first } = calendar.on(firstDate) ?? calendar.next(firstDate)
    const from = date > first ? dateToDays(calendar.previous(date).date) + 1 : dateToDays(firstDate)
    return { from, to: dateToDays(date) + 1 }
  }
  if (eventKind === 'day') {
    const from = wallClockOf(calendar.timeZone).toUtcMs(dateToDays(date), 0) * US_PER_MS
    return { from, to: from + 1 }
  }
  const { extendedOpenMs, extendedCloseMs } = calendar.on(date)!
  return { from: extendedOpenMs * US_PER_MS, to: extendedCloseMs * US_PER_MS }
}

function register(date: string, dates: string[], codeOf: Map<string, number>): number {
  const known = codeOf.get(date)
  if (known !== undefined) return known
  const code = dates.push(date) - 1
  codeOf.set(date, code)
  return code
}

function lookupOf(dataset: DatasetDefinition): Lookup {
  const calendar = calendarOf(dataset.calendar)
  if (dataset.eventKind === 'date') return dateLookup(calendar)
  return dataset.eventKind === 'day' ? dayLookup(calendar) : instantLookup(calendar)
}

function instantLookup(calendar: ExchangeCalendar): Lookup {
  const fromUs = calendar.next(calendar.firstDate).extendedOpenMs * US_PER_MS
  const toUs = lastSession(calendar).extendedCloseMs * US_PER_MS
  return (us) => {
    const session = us >= fromUs && us < toUs ? calendar.at(Math.floor(us / US_PER_MS)) : undefined
    if (!session) return nowhere(us)
    const { date, extendedOpenMs, extendedCloseMs } = session
    return { from: extendedOpenMs * US_PER_MS, to: extendedCloseMs * US_PER_MS, date }
  }
}

function dayLookup(calendar: ExchangeCalendar): Lookup {
  const clock = wallClockOf(calendar.timeZone)
  const inRange = rangeOf(calendar)
  return (us) => {
    const days = clock.daysAt(us / US_PER_MS)
    if (!inRange(days) || clock.toUtcMs(days, 0) * US_PER_MS !== us) return nowhere(us)
    return { from: us, to: us + 1, date: calendar.on(daysToDate(days))?.date }
  }
}

function dateLookup(calendar: ExchangeCalendar): Lookup {
  const inRange = rangeOf(calendar)
  return (days) => {
    if (!Number.isInteger(days) || !inRange(days)) return nowhere(days)
    const date = daysToDate(days)
    return { from: days, to: days + 1, date: (calendar.on(date) ?? nextOrNone(calendar, date))?.date }
  }
}

const lastSession = (
  calendar: ExchangeCalendar,
): { readonly extendedCloseMs: number; readonly date: string } =>
  calendar.on(calendar.lastDate) ?? calendar.previous(calendar.lastDate)

const nextOrNone = (calendar: ExchangeCalendar, date: string): { readonly date: string } | undefined =>
  date < lastSession(calendar).date ? calendar.next(date) : undefined

function rangeOf({ firstDate, lastDate }: ExchangeCalendar): (days: number) => boolean {
  const [first, last] = [dateToDays(firstDate), dateToDays(lastDate)]
  return (days) => days >= first && days <= last
}
