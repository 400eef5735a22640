import { calendarOf, type TradingSession } from './calendar/index.ts'
import { seriesKeyOf, type DatasetDefinition } from './dataset.ts'
import { MS_PER_MINUTE } from './time.ts'

/** The regular hours of one session, cut into equal stretches: those of its bars, at least a minute each. */
export interface Buckets {
  readonly session: TradingSession
  /** Length of a stretch, milliseconds. */
  readonly lengthMs: number
  /** How many there are; the first and the last may reach beyond the regular hours. */
  readonly count: number
  /** Start of the first stretch, UTC milliseconds. */
  readonly startMs: number
}

/**
 * Length of the stretches of which a session of `dataset` is made, in milliseconds; undefined where its rows do not
 * fill a session evenly: one row a day, events by date, options (most contracts trade now and then only).
 */
export function bucketMsOf(dataset: DatasetDefinition): number | undefined {
  if (dataset.eventKind !== 'instant' || seriesKeyOf(dataset) === 'underlying') return undefined
  return Math.max(MS_PER_MINUTE, (barSeconds(dataset) ?? 0) * 1000)
}

/** Length of a bar of `dataset`, seconds; undefined where rows are events of any instant, or days. */
export function barSeconds({ rules }: DatasetDefinition): number | undefined {
  return rules.find((rule) => rule.kind === 'aligned')?.seconds
}

/** The stretches of the regular hours of `date`; undefined without any, or where the exchange was closed. */
export function bucketsOf(dataset: DatasetDefinition, date: string): Buckets | undefined {
  const lengthMs = bucketMsOf(dataset)
  const session = calendarOf(dataset.calendar).on(date)
  if (lengthMs === undefined || !session) return undefined
  const startMs = Math.floor(session.openMs / lengthMs) * lengthMs
  return { session, lengthMs, startMs, count: Math.ceil((session.closeMs - startMs) / lengthMs) }
}
