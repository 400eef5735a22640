/** When something is due, UTC: the minutes, hours, days and months that fit. */
export interface Schedule {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly daysOfMonth: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  /** 0 = Sunday. */
  readonly daysOfWeek: ReadonlySet<number>
  /** Both kinds of days were given: as in a crontab, either is enough. */
  readonly eitherDay: boolean
}

/** First and last value of each field of a crontab line. */
const BOUNDS = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const

/**
 * The schedule in `text`: a time of day like `02:00`, or the five fields of a crontab line (minute, hour, day of the month,
 * month, day of the week, as numbers with `*`, `,`, `-` and `/`), both UTC. Undefined where it is neither.
 */
export function parseSchedule(text: string): Schedule | undefined {
  const time = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim())
  const words = time
    ? [String(Number(time[2])), String(Number(time[1])), '*', '*', '*']
    : text.trim().split(/\s+/)
  if (words.length !== BOUNDS.length) return undefined
  const sets = words.map((word, i) => parseField(word, BOUNDS[i]![0], BOUNDS[i]![1]))
  const [minutes, hours, daysOfMonth, months, week] = sets
  if (!minutes || !hours || !daysOfMonth || !months || !week) return undefined
  return {
    ...{ minutes, hours, daysOfMonth, months },
    daysOfWeek: new Set([...week].map((day) => day % 7)),
    eitherDay: !words[2]!.startsWith('*') && !words[4]!.startsWith('*'),
  }
}

function parseField(text: string, first: number, last: number): Set<number> | undefined {
  const found = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part)
    if (!match) return undefined
    const [, from, to, step] = match
    const low = from === undefined ? first : Number(from)
    const high = to !== undefined ? Number(to) : from === undefined || step !== undefined ? last : low
    const by = step === undefined ? 1 : Number(step)
    if (low < first || high > last || low > high || by < 1) return undefined
    for (let value = low; value <= high; value += by) found.add(value)
  }
  return found
}

/** Days looked ahead: a leap day on a given weekday comes within 40 years. */
const MOST_DAYS = 366 * 41
const MS_PER_DAY = 86_400_000

/** The first instant after `afterMs` (UTC epoch milliseconds) that fits; undefined where no day ever does. */
export function nextAt(schedule: Schedule, afterMs: number): number | undefined {
  const startMs = Math.floor(afterMs / MS_PER_DAY) * MS_PER_DAY
  for (let day = 0; day < MOST_DAYS; day++) {
    const dayMs = startMs + day * MS_PER_DAY
    if (!fitsDay(schedule, new Date(dayMs))) continue
    const found = timesOf(schedule)
      .map((minute) => dayMs + minute * 60_000)
      .find((ms) => ms > afterMs)
    if (found !== undefined) return found
  }
  return undefined
}

function fitsDay({ daysOfMonth, months, daysOfWeek, eitherDay }: Schedule, date: Date): boolean {
  if (!months.has(date.getUTCMonth() + 1)) return false
  const [ofMonth, ofWeek] = [daysOfMonth.has(date.getUTCDate()), daysOfWeek.has(date.getUTCDay())]
  return eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek
}

/** Minutes of the day that fit, ascending. */
const timesOf = ({ hours, minutes }: Schedule): number[] =>
  [...hours].flatMap((hour) => [...minutes].map((minute) => hour * 60 + minute)).sort((a, b) => a - b)
