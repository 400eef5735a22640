import type { WireField } from '../../sources/polygon/wire/scan.ts'
import type { Baselines, Observation } from './observation.ts'

/** A row as JSON has it. */
export type SampleRow = Readonly<Record<string, unknown>>

interface Evidence {
  readonly fields: readonly WireField[]
  readonly prefix: string
  readonly before: Baselines
  readonly rows: () => readonly SampleRow[]
}

/** The values of a field and of what it is called now may differ in size by so much. */
const MOST_APART = 4
const SAMPLED_ROWS = 512
/** Counts since 1970 are larger than this, in milliseconds as in nanoseconds; little else is. */
const LEAST_INSTANT = 1e11

/**
 * A field that is missing from as many rows as another is new in has probably been renamed, if the values of the new
 * one are of its type and about its size.
 */
export function joinRenamed(observations: readonly Observation[], evidence: Evidence): Observation[] {
  const taken = new Set<Observation>()
  return observations.map((one) => {
    if (one.change !== 'missing') return one
    const candidates = observations
      .filter((other) => other.change === 'new' && other.count === one.count && !taken.has(other))
      .map((other) => [other, distance(one.field, other.field, evidence)] as const)
      .filter(([, apart]) => apart <= Math.log(MOST_APART))
      .sort(([, a], [, b]) => a - b)
    const found = candidates[0]?.[0]
    if (!found) return one
    taken.add(found)
    return { ...one, change: 'renamed', to: found.field }
  })
}

/** How far the sizes of two fields are apart, as the logarithm of their ratio; Infinity: they are not alike. */
function distance(missing: string, fresh: string, { fields, prefix, before, rows }: Evidence): number {
  const type = fields.find(({ name }) => prefix + name === missing)?.type
  const values = rows()
    .map((row) => row[fresh.slice(prefix.length)])
    .filter((value) => value !== undefined && value !== null)
    .slice(0, SAMPLED_ROWS)
  if (type === undefined || values.length === 0) return Infinity
  if (type === 'string' || type === 'date')
    return values.every((one) => typeof one === 'string') ? 0 : Infinity
  if (type === 'int_list' || type === 'int_or_list' || type === 'json')
    return values.every((one) => typeof one === 'object') ? 0 : Infinity
  const isText = (one: unknown): boolean => typeof one === 'string' && one.trim() !== ''
  const isNumber = (one: unknown): boolean => typeof one === 'number' || (type === 'decimal' && isText(one))
  const numbers = values.filter(isNumber).map((one) => Math.abs(Number(one)))
  if (numbers.length < values.length || numbers.some(Number.isNaN)) return Infinity
  const typical = numbers.sort((a, b) => a - b)[numbers.length >> 1]!
  const isInstant = type === 'ms' || type === 'ns'
  if (isInstant !== typical >= LEAST_INSTANT) return Infinity
  const usual = before.get(missing)?.typical
  return isInstant || !usual || !typical ? 0 : Math.abs(Math.log(typical / usual))
}
