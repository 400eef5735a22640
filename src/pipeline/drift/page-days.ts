import type { ColumnData, ListColumn } from '../../core/batch.ts'
import { isNullAt } from '../../core/nulls.ts'
import type { WireField, WireTable } from '../../sources/polygon/wire/scan.ts'
import type { Observation } from './observation.ts'
import type { SampleRow } from './renamed.ts'

/** Rows [from, to) of a page that are of one day. */
export interface Day {
  readonly from: number
  readonly to: number
}

/** Of a day with fewer rows nothing is said. */
const TELLING_ROWS = 50
/** Rows of a day that are looked at, about. */
const LOOKED_AT = 16
/** A field comes with every row of a day, as good as. */
const ALWAYS = 0.9
/** So many times as much may be traded on a day of news, and nobody has changed a unit. */
const BUSY_RATIO = 10
const DAY_US = 86_400_000_000
/** Midnight in New York, in winter, after that of UTC: no market is open then. */
const NIGHT_US = 5 * 3_600_000_000

/**
 * The days of a page whose rows start at `times`, UTC microseconds, in order; none where it is not about days. A page
 * may hold months: what changes within it would be lost among the days before.
 */
export function daysOf(times: ColumnData | undefined): readonly Day[] {
  if (!(times instanceof Float64Array)) return []
  const days: Day[] = []
  for (let from = 0; from < times.length;) {
    const end = (Math.floor((times[from]! - NIGHT_US) / DAY_US) + 1) * DAY_US + NIGHT_US
    let to = from + 1
    while (to < times.length && !(times[to]! >= end)) to++
    days.push({ from, to })
    from = to
  }
  return days
}

export interface DayFields {
  readonly table: WireTable
  readonly fields: readonly WireField[]
  readonly days: readonly Day[]
  /** Fields that must have a value, of which the size is judged. */
  readonly sized: ReadonlySet<string>
  /** Those of them that are prices: from one day to the next they stay much as they were. */
  readonly prices: ReadonlySet<string>
  readonly rangeRatio: number
  readonly rows: () => readonly SampleRow[]
}

/** Fields that come with every row on some days of the page and with none on others, or in another unit. */
export function observeDays(options: DayFields): Observation[] {
  const { table, fields, days, sized, prices, rangeRatio, rows } = options
  const telling = days.filter(({ from, to }) => to - from >= TELLING_ROWS)
  if (telling.length < 2) return []
  return fields.flatMap(({ name }): Observation[] => {
    const data = table.columns.get(name)
    if (!data || 'offsets' in data || table.wrongTypes.has(name)) return []
    const looks = telling.map((day) => ({ day, ...lookAt(data, day) }))
    if (!looks.some(({ share }) => share >= ALWAYS)) return []
    const gone = looks.filter(({ day, share }) => share === 0 && allNull(data, day))
    if (gone.length > 0) {
      const isThere = name in (rows()[gone[0]!.day.from] ?? {})
      return [{ field: name, change: isThere ? 'null' : 'missing', count: rowsOf(gone) }]
    }
    const least = prices.has(name) ? rangeRatio : rangeRatio * BUSY_RATIO
    return sized.has(name) ? rangeOf(name, looks, least) : []
  })
}

interface Look {
  readonly day: Day
  /** Of the rows looked at, those with a value. */
  readonly share: number
  readonly typical: number | undefined
}

/** A column with one value per row. */
type Single = Exclude<ColumnData, ListColumn>

function lookAt(data: Single, { from, to }: Day): Omit<Look, 'day'> {
  const step = Math.max(1, Math.floor((to - from) / LOOKED_AT))
  const values = 'codes' in data ? data.codes : data
  const sizes: number[] = []
  let looked = 0
  for (let row = from; row < to; row += step, looked++) {
    if (!isNullAt(data, row)) sizes.push(Math.abs(Number(values[row])))
  }
  sizes.sort((a, b) => a - b)
  return { share: sizes.length / looked, typical: sizes[sizes.length >> 1] }
}

function allNull(data: Single, { from, to }: Day): boolean {
  for (let row = from; row < to; row++) if (!isNullAt(data, row)) return false
  return true
}

const rowsOf = (looks: readonly Look[]): number => looks.reduce((sum, { day }) => sum + day.to - day.from, 0)

/** Days whose typical value is of another size than that of most days. */
function rangeOf(field: string, looks: readonly Look[], rangeRatio: number): Observation[] {
  const sizes = looks.map(({ typical }) => typical ?? NaN).sort((a, b) => a - b)
  const usual = sizes[(sizes.length - 1) >> 1]!
  if (!(usual > 0)) return []
  const odd = looks.filter(({ typical }) => {
    const ratio = (typical ?? NaN) / usual
    return ratio >= rangeRatio || ratio <= 1 / rangeRatio
  })
  if (odd.length === 0) return []
  const detail = `usually ${rounded(usual)}, on some days ${rounded(odd[0]!.typical!)}`
  return [{ field, change: 'range', count: rowsOf(odd), detail }]
}

export const rounded = (value: number): string => String(Number(value.toPrecision(3)))
