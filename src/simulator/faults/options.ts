import { UsageError } from '../../core/errors.ts'

export type OptionValue = string | number

/** One option of a fault, as `--fault name:option=value` gives it. */
export interface OptionSpec {
  /** `time` is HH:MM or HH:MM:SS; `seconds` is N or N-M: a number between the two, chosen by the seed. */
  readonly type: 'count' | 'ratio' | 'date' | 'text' | 'time' | 'seconds' | readonly string[]
  /** What it does, in a few words. */
  readonly does: string
  readonly fallback?: OptionValue
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>

/** Options that every fault has: which calls it acts on. Without any of them: on all. */
export const CHOICE_OPTIONS: OptionSpecs = {
  path: { type: 'text', does: 'only calls whose path and query contain this text' },
  after: { type: 'count', does: 'leave the first N such calls alone' },
  first: { type: 'count', does: 'act on N calls, then no more' },
  every: { type: 'count', does: 'act on one call in N' },
  each: { type: 'count', does: 'act on the first N asks of every distinct request' },
  ask: { type: 'count', does: 'act from the Nth ask of the same request on' },
  rate: { type: 'ratio', does: 'act on this share of the calls, chosen by the seed' },
  burst: { type: 'count', does: 'once it acts, act on N calls in a row' },
}

/**
 * `text` as a value of the option.
 *
 * @throws {UsageError} naming the fault, the option and what was expected
 */
export function parseOption(fault: string, name: string, spec: OptionSpec, text: string): OptionValue {
  const refuse = (expected: string): UsageError =>
    new UsageError(`fault '${fault}': ${name}=${text} is not ${expected}`, {
      hint: `${name}: ${spec.does}.`,
    })
  if (spec.type === 'text') {
    if (text === '') throw refuse('a text')
    return text
  }
  if (spec.type === 'count') {
    if (!/^\d{1,9}$/.test(text)) throw refuse('a whole number')
    return Number(text)
  }
  if (spec.type === 'ratio') {
    const value = Number(text)
    if (text === '' || !(value >= 0 && value <= 1)) throw refuse('a number from 0 to 1')
    return value
  }
  if (spec.type === 'date') {
    const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : NaN
    if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text)) throw refuse('a date YYYY-MM-DD')
    return text
  }
  if (spec.type === 'time') {
    if (!/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/.test(text)) throw refuse('a time HH:MM or HH:MM:SS')
    return text
  }
  if (spec.type === 'seconds') {
    const [least, most] = text.split('-').map(Number)
    if (!/^\d{1,7}(-\d{1,7})?$/.test(text) || most! < least!) throw refuse('seconds, N or N-M')
    return text
  }
  if (!spec.type.includes(text)) throw refuse(`one of ${spec.type.join(', ')}`)
  return text
}
