import { requireColumn, rowAt, stringAt, type Batch, type ColumnType } from '../core/batch.ts'
import { SchemaError } from '../core/errors.ts'
import { halvesOf } from '../core/sort.ts'
import { calendarOf } from '../market/calendar/index.ts'
import { columnOf, type DatasetDefinition, type Rule } from '../market/dataset.ts'
import { futuresJudge } from '../market/futures.ts'
import { sessionDates } from '../market/session-rows.ts'
import { daysToDate, US_PER_MS } from '../market/time.ts'
import type { NumberFacts } from './number-facts.ts'
import * as scans from './scans.ts'

/** One rule on one column or pair of columns, compiled for a dataset. */
export interface Check {
  /** Name of the rule that a row breaks. */
  readonly rule: string
  /** Prepares the search for breaking rows; called once per batch. */
  scan(batch: Batch): scans.Scan
  /** Of a check on one column of numbers: what is known at once where nothing of it is wrong, as nearly always. */
  readonly quick?: QuickCheck
  /** One sentence with the values of `row`, which breaks the rule. */
  reason(batch: Batch, row: number): string
}

export interface QuickCheck {
  readonly column: string
  /** True when no row breaks the rule; false says nothing. */
  readonly passes: (facts: NumberFacts) => boolean
}

type RuleOf<Kind extends Rule['kind']> = Extract<Rule, { kind: Kind }>

/**
 * The checks of a rule, in the order of its columns.
 *
 * @throws {SchemaError} when it names a column that the dataset does not have
 */
export function compileRule(dataset: DatasetDefinition, rule: Rule): readonly Check[] {
  switch (rule.kind) {
    case 'required':
      return rule.columns.map((column) => required(dataset, rule.name, column))
    case 'positive':
      return rule.columns.map((column) => positive(dataset, rule.name, column))
    case 'not_negative':
      return rule.columns.map((column) => notNegative(dataset, rule.name, column))
    case 'whole':
      return rule.columns.map((column) => whole(dataset, rule.name, column))
    case 'ordered':
      return [ordered(dataset, rule)]
    case 'one_of':
      return [oneOf(dataset, rule)]
    case 'aligned':
      return [aligned(dataset, rule)]
    case 'in_session':
      return [inSession(dataset, rule)]
    case 'futures_life':
      return [futuresLife(dataset, rule)]
  }
}

/** Refuses rows of any other ticker than the one that was asked for. */
export function rightTicker(dataset: DatasetDefinition, ticker: string): Check {
  typeOf(dataset, 'ticker')
  return {
    rule: 'wrong_ticker',
    scan: (batch) =>
      scans.scanOtherText(requireColumn(batch, 'ticker', 'string'), (text) => text === ticker, false),
    reason: (batch, row) => `ticker ${text(dataset, batch, 'ticker', row)} is not the ${ticker} asked for`,
  }
}

/** Refuses rows without a value in a column: null, an empty string, or a number that is not finite. */
export function required(dataset: DatasetDefinition, rule: string, column: string): Check {
  const type = typeOf(dataset, column)
  const scan = (batch: Batch): scans.Scan => {
    if (type === 'string') return scans.scanNoText(requireColumn(batch, column, type))
    if (type === 'ns') return scans.scanNullNs(requireColumn(batch, column, type))
    if (type === 'int_list') return scans.scanEmptyList(requireColumn(batch, column, type))
    return scans.scanNotFinite(requireColumn(batch, column, type))
  }
  const reason = (batch: Batch, row: number): string => {
    const value = rowAt(batch, row)[column]
    return typeof value === 'number' ? `${column} ${value} is not a finite number` : `${column} is missing`
  }
  const isNumber = type !== 'string' && type !== 'ns' && type !== 'int_list'
  return { rule, scan, reason, ...(isNumber ? { quick: { column, passes: isFinite } } : {}) }
}

const isFinite = ({ nulls, least, greatest }: NumberFacts): boolean =>
  nulls === 0 && least > -Infinity && greatest < Infinity

/** Refuses rows whose count or id is beyond ±2^53: a double does not hold it exactly, so it may be another's. */
export function exact(dataset: DatasetDefinition, column: string): Check {
  const fault = 'is beyond ±2^53 and not kept exactly'
  return onNumbers(dataset, {
    ...{ rule: 'count_not_exact', column, fault },
    ...{ scan: scans.scanNotExact, passes: isSafe },
  })
}

function positive(dataset: DatasetDefinition, rule: string, column: string): Check {
  const passes = ({ least, greatest }: NumberFacts): boolean => least > 0 && greatest < Infinity
  return onNumbers(dataset, { rule, column, scan: scans.scanNotPositive, passes, fault: 'is not above zero' })
}

function notNegative(dataset: DatasetDefinition, rule: string, column: string): Check {
  const passes = ({ least, greatest }: NumberFacts): boolean => least >= 0 && greatest < Infinity
  return onNumbers(dataset, { rule, column, scan: scans.scanNegative, passes, fault: 'is negative' })
}

function whole(dataset: DatasetDefinition, rule: string, column: string): Check {
  const fault = 'is not a whole number within ±2^53'
  const passes = (facts: NumberFacts): boolean => facts.whole && isSafe(facts)
  return onNumbers(dataset, { rule, column, scan: scans.scanNotWhole, passes, fault })
}

const isSafe = ({ least, greatest }: NumberFacts): boolean =>
  least >= Number.MIN_SAFE_INTEGER && greatest <= Number.MAX_SAFE_INTEGER

interface NumberCheck {
  readonly rule: string
  readonly column: string
  readonly scan: (values: Float64Array) => scans.Scan
  readonly passes: (facts: NumberFacts) => boolean
  readonly fault: string
}

function onNumbers(dataset: DatasetDefinition, { rule, column, scan, passes, fault }: NumberCheck): Check {
  assertNumeric(dataset, column)
  return {
    rule,
    ...(typeOf(dataset, column) === 'ns' ? {} : { quick: { column, passes } }),
    scan: (batch) => scan(numbersOf(dataset, batch, column)),
    reason: (batch, row) => {
      const infinite = Math.abs(numbersOf(dataset, batch, column)[row]!) === Infinity
      return `${column} ${text(dataset, batch, column, row)} ${infinite ? 'is not a finite number' : fault}`
    },
  }
}

function ordered(dataset: DatasetDefinition, { name, low, high }: RuleOf<'ordered'>): Check {
  assertNumeric(dataset, low)
  assertNumeric(dataset, high)
  return {
    rule: name,
    scan: (batch) => scans.scanNotOrdered(numbersOf(dataset, batch, low), numbersOf(dataset, batch, high)),
    reason: (batch, row) =>
      `${high} ${text(dataset, batch, high, row)} is below ${low} ${text(dataset, batch, low, row)}`,
  }
}

function oneOf(dataset: DatasetDefinition, { name, column, values }: RuleOf<'one_of'>): Check {
  if (typeOf(dataset, column) !== 'string') throw unfit(dataset, column, 'text')
  const allowed = new Set(values)
  return {
    rule: name,
    scan: (batch) =>
      scans.scanOtherText(requireColumn(batch, column, 'string'), (value) => allowed.has(value), true),
    reason: (batch, row) => `${column} ${text(dataset, batch, column, row)} is none of ${values.join(', ')}`,
  }
}

function aligned(dataset: DatasetDefinition, { name, seconds }: RuleOf<'aligned'>): Check {
  const column = dataset.eventColumn
  if (typeOf(dataset, column) !== 'timestamp') throw unfit(dataset, column, 'a timestamp')
  const unitUs = seconds * 1000 * US_PER_MS
  return {
    rule: name,
    scan: (batch) => scans.scanNotMultiple(requireColumn(batch, column, 'timestamp'), unitUs),
    reason: (batch, row) =>
      `${column} ${text(dataset, batch, column, row)} does not start on a multiple of ${seconds} s`,
  }
}

function inSession(dataset: DatasetDefinition, { name }: RuleOf<'in_session'>): Check {
  const calendar = calendarOf(dataset.calendar)
  const column = dataset.eventColumn
  return {
    rule: name,
    scan: (batch) => scans.scanNegativeCode(sessionDates(dataset, batch).codes),
    reason: (batch, row) =>
      `${column} ${text(dataset, batch, column, row)} lies in no session of ${calendar.code}`,
  }
}

function futuresLife(dataset: DatasetDefinition, { name }: RuleOf<'futures_life'>): Check {
  const column = dataset.eventColumn
  const judgeOf = (batch: Batch): ((row: number) => string | undefined) => {
    const tickers = requireColumn(batch, 'ticker', 'string')
    const times = requireColumn(batch, column, 'timestamp')
    const { dates, codes } = sessionDates(dataset, batch)
    const why = futuresJudge()
    return (row) => why(stringAt(tickers, row) ?? '', times[row]! / US_PER_MS, dates[codes[row]!])
  }
  return {
    rule: name,
    scan(batch) {
      const judge = judgeOf(batch)
      return (from) => {
        let row = from
        while (row < batch.length && judge(row) === undefined) row++
        return row
      }
    },
    reason: (batch, row) => `${column} ${text(dataset, batch, column, row)}: ${judgeOf(batch)(row) ?? ''}`,
  }
}

function typeOf(dataset: DatasetDefinition, column: string): ColumnType {
  const type = columnOf(dataset, column)?.type
  if (type) return type
  throw new SchemaError(`${dataset.name}: a rule names the column ${column}, which the dataset does not have`)
}

function assertNumeric(dataset: DatasetDefinition, column: string): void {
  const type = typeOf(dataset, column)
  if (type === 'string' || type === 'int_list') throw unfit(dataset, column, 'a number')
}

const unfit = (dataset: DatasetDefinition, column: string, wanted: string): SchemaError =>
  new SchemaError(`${dataset.name}: a rule takes the column ${column} for ${wanted}, which it is not`)

/** A numeric column as doubles; nanoseconds lose their last digits, which a comparison with zero bears. */
function numbersOf(dataset: DatasetDefinition, batch: Batch, column: string): Float64Array {
  const type = typeOf(dataset, column)
  if (type !== 'ns') return requireColumn(batch, column, type as 'double')
  const [high, low] = halvesOf(requireColumn(batch, column, 'ns'))
  const out = new Float64Array(batch.length)
  for (let row = 0; row < out.length; row++) {
    const value = high[2 * row + 1]! * 2 ** 32 + low[2 * row]!
    out[row] = value === -(2 ** 63) ? NaN : value
  }
  return out
}

/** The value as people read it: instants and dates spelled out, others as they are. */
function text(dataset: DatasetDefinition, batch: Batch, column: string, row: number): string {
  const type = typeOf(dataset, column)
  if (type === 'string') return stringAt(requireColumn(batch, column, type), row) ?? 'null'
  const value = rowAt(batch, row)[column]
  if (typeof value !== 'number') return String(value)
  if (type === 'timestamp') return instantText(value)
  return type === 'date' ? dateText(value) : String(value)
}

function instantText(us: number): string {
  const date = new Date(us / US_PER_MS)
  return Number.isNaN(date.getTime()) ? `${us} µs` : date.toISOString()
}

const MAX_TEXT_DAYS = 2_932_896

const dateText = (days: number): string =>
  Number.isInteger(days) && Math.abs(days) <= MAX_TEXT_DAYS ? daysToDate(days) : `day ${days}`
