import { type Answer, badRequest, type Call, jsonAnswer } from './call.ts'
import { dateOf, limitOf, nextUrl, oneOf, withoutMarks } from './params.ts'

type Value = string | number | boolean
/** One row of a reference list. */
export type Row = Readonly<Record<string, unknown>>

/** How a reference list may be asked for. */
export interface ListOptions {
  /** Fields that may be filtered with `field` and `field.gte|gt|lte|lt`, and their type. */
  readonly filters: Readonly<Record<string, 'string' | 'date' | 'number'>>
  /** Fields that may be sorted by; the first is the default. */
  readonly sorts: readonly string[]
  readonly order: 'asc' | 'desc'
  /** Breaks ties, so that pages never overlap. */
  readonly tieBreak: string
  readonly defaultLimit: number
  readonly maxLimit: number
  /** `sort=field.desc` instead of `sort=field&order=desc`: the newer endpoints. */
  readonly dottedSort?: boolean
  /** Adds `count` to the envelope. */
  readonly counted?: boolean
  /** Makes what is answered of a row, for the rows of one page only; default: the row itself. */
  readonly present?: (row: Row) => unknown
}

/** Filters, sorts and pages `rows` as `call` asks. */
export function listPage(call: Call, rows: readonly Row[], options: ListOptions): Answer {
  const { query } = call
  const limit = limitOf(query, options.defaultLimit, options.maxLimit)
  const { sort, order } = sortingOf(query, options)
  const start = Number(query.get('ap') ?? 0)
  if (!Number.isInteger(start) || start < 0) throw badRequest("The parameter 'cursor' is invalid")
  const sign = order === 'asc' ? 1 : -1
  const wanted = rows
    .filter(matcher(query, options))
    .sort((a, b) => sign * (compare(a[sort], b[sort]) || compare(a[options.tieBreak], b[options.tieBreak])))
  const { present = (row: Row): unknown => row } = options
  const results = wanted.slice(start, start + limit).map(present)
  return jsonAnswer({
    results,
    status: 'OK',
    request_id: call.requestId,
    ...(options.counted === true ? { count: results.length } : {}),
    ...(start + limit < wanted.length ? { next_url: followingPage(call, start + limit) } : {}),
  })
}

function sortingOf(query: URLSearchParams, options: ListOptions) {
  const [fallback = ''] = options.sorts
  if (options.dottedSort !== true) {
    return {
      sort: oneOf(query, 'sort', options.sorts, fallback),
      order: oneOf(query, 'order', ['asc', 'desc'], options.order),
    }
  }
  const choices = options.sorts.flatMap((field) => [`${field}.asc`, `${field}.desc`])
  const [sort = fallback, order] = oneOf(query, 'sort', choices, `${fallback}.${options.order}`).split('.')
  return { sort, order }
}

function matcher(query: URLSearchParams, { filters }: ListOptions): (row: Row) => boolean {
  const tests: ((row: Row) => boolean)[] = []
  for (const [field, type] of Object.entries(filters)) {
    for (const [suffix, accepts] of COMPARISONS) {
      const wanted = valueOf(query, field + suffix, type)
      if (wanted !== undefined) tests.push((row) => accepts(compare(row[field], wanted)))
    }
    const any = query.get(`${field}.any_of`)
    if (any) {
      const words = new Set(any.split(','))
      tests.push((row) => words.has(String(row[field])))
    }
  }
  return (row) => tests.every((test) => test(row))
}

const COMPARISONS: readonly (readonly [suffix: string, accepts: (order: number) => boolean])[] = [
  ['', (order) => order === 0],
  ['.gte', (order) => order >= 0],
  ['.gt', (order) => order > 0],
  ['.lte', (order) => order <= 0],
  ['.lt', (order) => order < 0],
]

function valueOf(
  query: URLSearchParams,
  name: string,
  type: 'string' | 'date' | 'number',
): Value | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (type === 'date') return dateOf(query, name)
  if (type === 'string') return text
  const value = Number(text)
  if (!Number.isFinite(value)) throw badRequest(`The parameter '${name}' is invalid: '${text}'`)
  return value
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0
  return (a as Value) < (b as Value) ? -1 : 1
}

function followingPage(call: Call, start: number): string {
  const cursor = withoutMarks(call.query)
  cursor.set('ap', String(start))
  return nextUrl(call, call.path, cursor)
}
