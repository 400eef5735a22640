import { z } from 'zod'
import { throwIfAborted } from './abort.ts'
import { systemClock, type Clock } from './clock.ts'
import { BudgetSpentError, BudgetStoreError, categoryOf, VendorError, type ErrorCategory } from './errors.ts'

const MINUTE_MS = 60_000
/** A vendor counts its minutes by its own clock: knock a moment after the turn. */
const MINUTE_MARGIN_MS = 250
/** A vendor that asks for a longer wait than this ends the request instead. */
export const MAX_RETRY_AFTER_MS = 15 * MINUTE_MS

/** How failures of one category are retried. */
export const categoryPolicySchema = z.strictObject({
  /** Attempts after the first one, at most. */
  retries: z.int().min(0).max(1000),
  /** Wait before the first retry, milliseconds. */
  baseMs: z.number().min(0).max(3_600_000),
  /** Each further wait is this many times longer. */
  factor: z.number().min(1).max(10),
  /** Longest wait, milliseconds. A vendor's own Retry-After is not cut by it. */
  maxMs: z.number().min(0).max(3_600_000),
  /** Part of the wait that is left to chance, 0 to 1: a wait of 1000 with jitter 0.2 lasts 800 to 1000. */
  jitter: z.number().min(0).max(1),
  /** `next-minute`: without a Retry-After, wait for the next minute of the wall clock instead; `none`: do not. */
  fallback: z.enum(['next-minute', 'none']),
})
export type CategoryPolicy = z.infer<typeof categoryPolicySchema>

const NO_RETRY: CategoryPolicy = {
  retries: 0,
  baseMs: 0,
  factor: 1,
  maxMs: 0,
  jitter: 0,
  fallback: 'none',
}
const BACK_OFF: CategoryPolicy = {
  retries: 5,
  baseMs: 500,
  factor: 2,
  maxMs: 30_000,
  jitter: 0.3,
  fallback: 'none',
}
const NEXT_MINUTE: CategoryPolicy = {
  retries: 10,
  baseMs: 1000,
  factor: 2,
  maxMs: 60_000,
  jitter: 0.1,
  fallback: 'next-minute',
}

/** What tapelake does when config/retry_policy.yaml says nothing else. */
export const DEFAULT_RETRY_POLICY: Readonly<Record<ErrorCategory, CategoryPolicy>> = {
  network: BACK_OFF,
  timeout: { ...BACK_OFF, retries: 3 },
  rate_limit: NEXT_MINUTE,
  server: BACK_OFF,
  malformed: { ...BACK_OFF, retries: 3 },
  not_found: NO_RETRY,
  entitlement: NO_RETRY,
  authentication: NO_RETRY,
  validation: NO_RETRY,
  disk: NO_RETRY,
  lock: NO_RETRY,
  interrupted: NO_RETRY,
  config: NO_RETRY,
  internal: NO_RETRY,
}

function orDefault(category: ErrorCategory) {
  const { shape } = categoryPolicySchema
  const policy = DEFAULT_RETRY_POLICY[category]
  return z
    .strictObject({
      retries: shape.retries.default(policy.retries),
      baseMs: shape.baseMs.default(policy.baseMs),
      factor: shape.factor.default(policy.factor),
      maxMs: shape.maxMs.default(policy.maxMs),
      jitter: shape.jitter.default(policy.jitter),
      fallback: shape.fallback.default(policy.fallback),
    })
    .prefault({})
}

/** Asking again cannot help, and for a key or a plan it does harm. */
const never = (category: ErrorCategory) =>
  orDefault(category).refine((policy) => policy.retries === 0, {
    path: ['retries'],
    error: `must be 0: '${category}' failures are never retried`,
  })

/** config/retry_policy.yaml: a policy per error category; what is left out keeps its default. */
export const retryPolicySchema = z.strictObject({
  network: orDefault('network'),
  timeout: orDefault('timeout'),
  rate_limit: orDefault('rate_limit'),
  server: orDefault('server'),
  malformed: orDefault('malformed'),
  not_found: never('not_found'),
  entitlement: never('entitlement'),
  authentication: never('authentication'),
  validation: never('validation'),
  disk: orDefault('disk'),
  lock: orDefault('lock'),
  interrupted: never('interrupted'),
  config: never('config'),
  internal: never('internal'),
})
export type RetryPolicy = z.infer<typeof retryPolicySchema>

/** A retry that is about to happen. */
export interface RetryEvent {
  readonly error: unknown
  /** The attempt that failed, counted from 1. */
  readonly attempt: number
  readonly waitMs: number
}

export interface RetryOptions {
  readonly clock?: Clock
  /** A number in [0, 1) for the jitter. */
  readonly random?: () => number
  /** Called before each wait. */
  readonly onRetry?: (event: RetryEvent) => void
}

/**
 * Runs `work` until it succeeds or the policy of the failure's category is used up. Categories are
 * counted apart: a reset after three 429s is the first reset.
 *
 * @throws the last error itself; its message tells the number of attempts if there was more than one.
 *   At once, when `signal` aborts
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  policy: RetryPolicy,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  const { clock = systemClock, random = Math.random, onRetry } = options
  const failures = new Map<ErrorCategory, number>()
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal)
    try {
      return await work(attempt)
    } catch (error) {
      throwIfAborted(signal)
      const category = categoryOf(error)
      const failed = (failures.get(category) ?? 0) + 1
      failures.set(category, failed)
      const waitMs = retryWaitMs(error, failed, policy[category], clock.now(), random())
      if (waitMs === undefined) throw withAttempts(error, attempt)
      onRetry?.({ error, attempt, waitMs })
      await clock.sleep(waitMs, signal)
    }
  }
}

/** Milliseconds before the next attempt after the `failed`th failure of its category; undefined: give up. */
function retryWaitMs(
  error: unknown,
  failed: number,
  policy: CategoryPolicy,
  nowMs: number,
  chance: number,
): number | undefined {
  if (failed > policy.retries || isAboutBudget(error)) return undefined
  const askedMs = error instanceof VendorError ? error.retryAfterSeconds : undefined
  if (askedMs !== undefined) return askedMs * 1000 > MAX_RETRY_AFTER_MS ? undefined : askedMs * 1000
  if (policy.fallback === 'next-minute') return MINUTE_MS - (nowMs % MINUTE_MS) + MINUTE_MARGIN_MS
  const fullMs = Math.min(policy.maxMs, policy.baseMs * policy.factor ** (failed - 1))
  return fullMs * (1 - policy.jitter * chance)
}

/** The budget has waited already. */
const isAboutBudget = (error: unknown): boolean =>
  error instanceof BudgetSpentError || error instanceof BudgetStoreError

function withAttempts(error: unknown, attempts: number): unknown {
  if (attempts > 1 && error instanceof Error) error.message += ` (after ${attempts} attempts)`
  return error
}

/**
 * Seconds that a Retry-After header asks to wait, from its number of seconds or its HTTP date.
 *
 * @param nowMs what the vendor's clock says, to measure an HTTP date against
 * @returns undefined when there is no header or it makes no sense
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  const dateMs = /[a-z]/i.test(text) ? Date.parse(text) : NaN
  return Number.isNaN(dateMs) ? undefined : Math.max(0, (dateMs - nowMs) / 1000)
}
