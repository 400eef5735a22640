import { InvalidArgumentError } from 'commander'
import { parseDate } from '../market/time.ts'

/** Reads a whole number of at least `least`; for `.option(…, wholeNumber(0))`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`)
  }
}

/** Gathers an option that may be given several times. */
export function collect(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text]
}

/** Reads an instant like `2025-06-02T20:00:00Z` as UTC epoch milliseconds; the zone must be said. */
export function instant(text: string): number {
  const ms = /T.*(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(ms)) return ms
  throw new InvalidArgumentError('Expected an instant like 2025-06-02T20:00:00Z.')
}

/** Reads an instant like {@link instant}, or a day (its midnight in UTC), as `Date.toISOString` writes it. */
export function moment(text: string): string {
  const ms = instant(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text)
  return new Date(ms).toISOString()
}

/** Reads a day like `2025-06-02`; commander's refusal names the flag. */
export function day(text: string): string {
  try {
    return parseDate(text)
  } catch {
    throw new InvalidArgumentError('Expected a day that is in the calendar, like 2025-06-02.')
  }
}
