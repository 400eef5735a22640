import { type Call, badRequest } from './call.ts'
import { MS_PER_DAY, NEW_YORK } from '../market/time.ts'

/** The whole number `name` of the query, from 1 to `max`; `fallback` when absent. */
export function limitOf(query: URLSearchParams, fallback: number, max: number): number {
  const text = query.get('limit')
  if (text === null || text === '') return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) {
    throw badRequest(`The parameter 'limit' is invalid: '${text}'`)
  }
  if (value > max) throw badRequest(`The parameter 'limit' cannot be greater than ${max}`)
  return value
}

/** One of `values`; `fallback` when absent. */
export function oneOf<T extends string>(
  query: URLSearchParams,
  name: string,
  values: readonly T[],
  fallback: T,
): T {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  const found = values.find((value) => value === text)
  if (found === undefined) throw badRequest(`The parameter '${name}' is invalid: '${text}'`)
  return found
}

/** A boolean; `fallback` when absent. */
export function booleanOf(query: URLSearchParams, name: string, fallback: boolean): boolean {
  return oneOf(query, name, ['true', 'false'], fallback ? 'true' : 'false') === 'true'
}

/** A date `YYYY-MM-DD` that exists, as given; undefined when absent. */
export function dateOf(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name)
  return text === null || text === '' ? undefined : requireDate(name, text)
}

/** `text`, which must be a date `YYYY-MM-DD` that exists. */
export function requireDate(name: string, text: string): string {
  if (daysOrUndefined(text) === undefined) {
    throw badRequest(`The parameter '${name}' is invalid: could not parse the time '${text}'`)
  }
  return text
}

/** First and last millisecond that `text` names: a New York date, or an instant in ms since the epoch. */
export function spanOf(name: string, text: string): { readonly firstMs: number; readonly lastMs: number } {
  if (/^-?\d{1,16}$/.test(text)) return { firstMs: Number(text), lastMs: Number(text) }
  const days = daysOrUndefined(text)
  if (days === undefined) throw badRequest(`Could not parse the time '${text}' for the parameter '${name}'`)
  return { firstMs: NEW_YORK.toUtcMs(days, 0), lastMs: NEW_YORK.toUtcMs(days + 1, 0) - 1 }
}

/** Days since the epoch of a date that exists; undefined for anything else. */
export function daysOrUndefined(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text) return undefined
  return ms / MS_PER_DAY
}

/** The path of `call` with `params` packed into an opaque cursor, absolute. The key is never part of it. */
export function nextUrl(call: Pick<Call, 'origin'>, path: string, params: URLSearchParams): string {
  return `${call.origin}${path}?cursor=${Buffer.from(params.toString()).toString('base64url')}`
}

/** The query of a request with its cursor, if any, unpacked: what the cursor says wins. */
export function unpackCursor(query: URLSearchParams): URLSearchParams {
  const merged = new URLSearchParams(query)
  const cursor = merged.get('cursor')
  merged.delete('cursor')
  merged.delete('apiKey')
  if (cursor === null) return merged
  const text = Buffer.from(cursor, 'base64url').toString('latin1')
  if (!/^[\w.%+\-*~]+=[\x21-\x7e]*$/.test(text)) throw badRequest("The parameter 'cursor' is invalid")
  for (const [name, value] of new URLSearchParams(text)) merged.set(name, value)
  return merged
}

/** Parameters that faults put into a cursor, to know a page again, begin with this. */
export const MARK = 'sim.'

/** A copy of `query` without the marks of faults. */
export function withoutMarks(query: URLSearchParams): URLSearchParams {
  return new URLSearchParams([...query].filter(([name]) => !name.startsWith(MARK)))
}
