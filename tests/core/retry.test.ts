import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  AuthenticationError,
  EntitlementError,
  ERROR_CATEGORIES,
  InterruptedError,
  NetworkError,
  NotFoundError,
  RateLimitError,
  RequestRefusedError,
  ServerError,
  type VendorErrorDetails,
} from '../../src/core/errors.ts'
import {
  DEFAULT_RETRY_POLICY,
  parseRetryAfter,
  retry,
  retryPolicySchema,
  type RetryEvent,
} from '../../src/core/retry.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const never = new AbortController().signal
const policy = retryPolicySchema.parse({
  network: { retries: 3, baseMs: 100, factor: 2, maxMs: 250, jitter: 0 },
  server: { retries: 1, baseMs: 10, jitter: 0 },
})

/** Fails with `errors` in turn, then succeeds. */
function failing(...errors: Error[]) {
  const attempts: number[] = []
  const work = async (attempt: number) => {
    attempts.push(attempt)
    const error = errors[attempt - 1]
    if (error) throw error
    return 'done'
  }
  return { work, attempts }
}

const network = () => new NetworkError('reset')
const limited = (details: VendorErrorDetails = {}) => new RateLimitError('slow down', details)

describe('retry', () => {
  test('tries again after failures that may pass, waiting longer each time up to the maximum', async () => {
    const clock = new VirtualClock()
    const { work, attempts } = failing(network(), network(), network())
    await expect(retry(work, policy, { clock }, never)).resolves.toBe('done')
    expect(attempts).toEqual([1, 2, 3, 4])
    expect(clock.sleeps).toEqual([100, 200, 250])
  })

  test('throws the last error itself when the retries are used up, telling how many attempts there were', async () => {
    const errors = Array.from({ length: 4 }, network)
    const thrown: unknown = await retry(
      failing(...errors, network()).work,
      policy,
      { clock: new VirtualClock() },
      never,
    ).catch((error: unknown) => error)
    expect(thrown).toBe(errors[3])
    expect(errors[3]!.message).toBe('reset (after 4 attempts)')
  })

  test('counts each kind of failure for itself', async () => {
    const { work, attempts } = failing(network(), new ServerError('500'), network(), network())
    await expect(retry(work, policy, { clock: new VirtualClock() }, never)).resolves.toBe('done')
    expect(attempts).toHaveLength(5)
  })

  test.each([
    new AuthenticationError('401'),
    new EntitlementError('403'),
    new NotFoundError('404'),
    new RequestRefusedError('400'),
    new Error('a bug'),
  ])('never asks again after $message', async (error) => {
    const { work, attempts } = failing(error)
    await expect(retry(work, policy, {}, never)).rejects.toBe(error)
    expect(attempts).toEqual([1])
    expect(error.message).not.toContain('attempts')
  })

  test('waits as long as the vendor asks, also beyond the maximum of the policy', async () => {
    const clock = new VirtualClock()
    const { work } = failing(limited({ retryAfterSeconds: 90 }), limited({ retryAfterSeconds: 0 }))
    await retry(work, policy, { clock }, never)
    expect(clock.sleeps).toEqual([90_000, 0])
  })

  test('gives up at once when the vendor asks for a wait of an hour', async () => {
    const clock = new VirtualClock()
    const { work } = failing(limited({ retryAfterSeconds: 3600 }))
    await expect(retry(work, policy, { clock }, never)).rejects.toThrow('slow down')
    expect(clock.sleeps).toEqual([])
  })

  test('a 429 without a wait of its own waits for the next minute of the clock', async () => {
    const clock = new VirtualClock(Date.UTC(2025, 0, 3, 15, 0, 42))
    await retry(failing(limited()).work, policy, { clock }, never)
    expect(clock.now()).toBeGreaterThan(Date.UTC(2025, 0, 3, 15, 1, 0))
    expect(clock.now()).toBeLessThan(Date.UTC(2025, 0, 3, 15, 1, 1))
  })

  test('without that fallback a 429 backs off like any other failure', async () => {
    const clock = new VirtualClock()
    const own = retryPolicySchema.parse({ rate_limit: { fallback: 'none', baseMs: 70, jitter: 0 } })
    await retry(failing(limited()).work, own, { clock }, never)
    expect(clock.sleeps).toEqual([70])
  })

  test('leaves the part of the wait to chance that the policy says', async () => {
    const chances = retryPolicySchema.parse({ network: { baseMs: 1000, jitter: 0.2 } })
    for (const [chance, expectedMs] of [
      [0, 1000],
      [0.5, 900],
      [1, 800],
    ] as const) {
      const clock = new VirtualClock()
      await retry(failing(network()).work, chances, { clock, random: () => chance }, never)
      expect(clock.sleeps[0]).toBeCloseTo(expectedMs, 9)
    }
  })

  test('tells of each retry before its wait', async () => {
    const events: RetryEvent[] = []
    const error = network()
    const onRetry = (event: RetryEvent) => void events.push(event)
    await retry(failing(error).work, policy, { clock: new VirtualClock(), onRetry }, never)
    expect(events).toEqual([{ error, attempt: 1, waitMs: 100 }])
  })

  test('an abort wakes the wait at once, and then nothing is tried any more', async () => {
    const controller = new AbortController()
    const hour = retryPolicySchema.parse({ network: { baseMs: 3_600_000, maxMs: 3_600_000, jitter: 0 } })
    const { work, attempts } = failing(network())
    const onRetry = () => setImmediate(() => controller.abort())
    await expect(retry(work, hour, { onRetry }, controller.signal)).rejects.toThrow(InterruptedError)
    await expect(retry(work, hour, {}, controller.signal)).rejects.toThrow(InterruptedError)
    expect(attempts).toEqual([1])
  })

  test('an abort during an attempt is an interruption, whatever the attempt throws', async () => {
    const controller = new AbortController()
    const work = async () => {
      controller.abort()
      throw network()
    }
    await expect(retry(work, policy, {}, controller.signal)).rejects.toThrow(InterruptedError)
  })
})

describe('retry_policy.yaml', () => {
  test('an empty file means the documented defaults', () => {
    expect(retryPolicySchema.parse({})).toEqual(DEFAULT_RETRY_POLICY)
    expect(Object.keys(retryPolicySchema.parse({})).sort()).toEqual([...ERROR_CATEGORIES].sort())
  })

  test('what is left out of a category keeps its default', () => {
    const { network } = retryPolicySchema.parse({ network: { retries: 9 } })
    expect(network).toEqual({ ...DEFAULT_RETRY_POLICY.network, retries: 9 })
  })

  test.each([
    'authentication',
    'entitlement',
    'not_found',
    'validation',
    'config',
    'interrupted',
    'internal',
  ])('refuses retries for %s', (category) => {
    const { error } = retryPolicySchema.safeParse({ [category]: { retries: 1 } })
    expect(error?.issues[0]?.path).toEqual([category, 'retries'])
    expect(error?.issues[0]?.message).toContain('never retried')
  })

  test.each([
    ['an unknown category', { netwrok: {} }],
    ['an unknown setting', { network: { retrys: 1 } }],
    ['a negative wait', { network: { baseMs: -1 } }],
    ['a jitter above 1', { network: { jitter: 2 } }],
    ['a fraction of a retry', { network: { retries: 1.5 } }],
  ])('refuses %s', (_, policy) => {
    expect(retryPolicySchema.safeParse(policy).success).toBe(false)
  })
})

describe('Retry-After', () => {
  const nowMs = Date.UTC(2025, 0, 3, 15, 0, 0)

  test('is read as seconds or as an HTTP date', () => {
    expect(parseRetryAfter('12', nowMs)).toBe(12)
    expect(parseRetryAfter(' 0 ', nowMs)).toBe(0)
    expect(parseRetryAfter('Fri, 03 Jan 2025 15:00:30 GMT', nowMs)).toBe(30)
    expect(parseRetryAfter('Fri, 03 Jan 2025 14:00:00 GMT', nowMs)).toBe(0)
  })

  test.each([undefined, '', 'soon', '-5', '1e9', '12 seconds'])(
    '%j makes no sense and counts as absent',
    (header) => {
      expect(parseRetryAfter(header, nowMs)).toBeUndefined()
    },
  )

  test('any whole number of seconds, written either way, comes back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400 }), (seconds) => {
        expect(parseRetryAfter(String(seconds), nowMs)).toBe(seconds)
        expect(parseRetryAfter(new Date(nowMs + seconds * 1000).toUTCString(), nowMs)).toBe(seconds)
      }),
    )
  })
})
