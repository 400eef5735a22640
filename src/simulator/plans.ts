import { UsageError } from '../core/errors.ts'
import { MS_PER_MINUTE, NEW_YORK } from '../market/time.ts'

/** What a kind of data an endpoint gives; plans include some of them. */
export type Product = 'bars' | 'second_bars' | 'trades' | 'quotes' | 'snapshots' | 'reference'

/** One of the vendor's subscriptions, as polygon-like as is known from the outside. */
export interface Plan {
  readonly name: PlanName
  /** Calls in any minute; 0 = no limit. */
  readonly callsPerMinute: number
  /** Years of history; 0 = all of it. */
  readonly historyYears: number
  /** Minutes by which data is late; `end-of-day` shows no session before its day is over. */
  readonly delay: number | 'end-of-day'
  readonly products: readonly Product[]
  /** The live socket: none, only on the delayed host, or on both. */
  readonly socket: 'none' | 'delayed' | 'real-time'
}

export const PLAN_NAMES = ['free', 'starter', 'developer', 'advanced', 'unlimited'] as const
export type PlanName = (typeof PLAN_NAMES)[number]

const paid: readonly Product[] = ['bars', 'second_bars', 'snapshots', 'reference']
const everything: readonly Product[] = [...paid, 'trades', 'quotes']

const PLANS: Readonly<Record<PlanName, Omit<Plan, 'name'>>> = {
  free: {
    callsPerMinute: 5,
    historyYears: 2,
    delay: 'end-of-day',
    products: ['bars', 'reference'],
    socket: 'none',
  },
  starter: { callsPerMinute: 0, historyYears: 5, delay: 15, products: paid, socket: 'delayed' },
  developer: {
    callsPerMinute: 0,
    historyYears: 10,
    delay: 15,
    products: [...paid, 'trades'],
    socket: 'delayed',
  },
  advanced: { callsPerMinute: 0, historyYears: 0, delay: 0, products: everything, socket: 'real-time' },
  unlimited: { callsPerMinute: 0, historyYears: 0, delay: 0, products: everything, socket: 'real-time' },
}

/**
 * The plan called `name`.
 *
 * @throws {UsageError} naming those that exist
 */
export function planNamed(name: string): Plan {
  const known = PLAN_NAMES.find((plan) => plan === name)
  if (known) return { name: known, ...PLANS[known] }
  throw new UsageError(`unknown plan '${name}'`, { hint: `Plans: ${PLAN_NAMES.join(', ')}.` })
}

/** The newest instant whose data `plan` shows at `nowMs`, ms since the epoch. */
export function asOfMs(plan: Plan, nowMs: number): number {
  if (plan.delay === 'end-of-day') return NEW_YORK.toUtcMs(NEW_YORK.daysAt(nowMs), 0)
  return nowMs - plan.delay * MS_PER_MINUTE
}

/** The oldest instant `plan` shows at `nowMs`: midnight in New York, ms since the epoch; -∞ = no limit. */
export function historyStartMs(plan: Plan, nowMs: number): number {
  if (plan.historyYears === 0) return -Infinity
  const days = NEW_YORK.daysAt(nowMs) - Math.round(plan.historyYears * 365.25)
  return NEW_YORK.toUtcMs(days, 0)
}

/** `DELAYED` where the plan is late and the answer reaches into the current New York day, else `OK`. */
export function statusOf(plan: Plan, nowMs: number, toMs: number): 'OK' | 'DELAYED' {
  const todayMs = NEW_YORK.toUtcMs(NEW_YORK.daysAt(nowMs), 0)
  return plan.delay !== 0 && toMs >= todayMs ? 'DELAYED' : 'OK'
}
