import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InterruptedError } from '../../src/core/errors.ts'
import { createRateLimiter, PLAN_CALLS_PER_MINUTE, type LimiterWait } from '../../src/core/rate-limit.ts'
import { runNode } from '../support/run-node.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const never = new AbortController().signal
const MINUTE_MS = 60_000

/** Most starts within any stretch of `windowMs`, counted by brute force. */
function mostInAnyWindow(startsMs: readonly number[], windowMs: number): number {
  return Math.max(
    ...startsMs.map((from) => startsMs.filter((start) => start >= from && start < from + windowMs).length),
  )
}

describe('the rate limiter', () => {
  test('never lets more calls start than the limit in any sliding window, whenever they are asked for', async () => {
    const burst = fc.record({
      calls: fc.integer({ min: 1, max: 7 }),
      pauseMs: fc.integer({ min: 0, max: 90_000 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(burst, { minLength: 1, maxLength: 4 }),
        async (callsPerMinute, bursts) => {
          const clock = new VirtualClock()
          const limiter = createRateLimiter({ callsPerMinute, clock })
          const startsMs: number[] = []
          const call = async () => void startsMs.push(clock.now())
          const running: Promise<void>[] = []
          for (const { calls, pauseMs } of bursts) {
            for (let i = 0; i < calls; i++) running.push(limiter.run(call, never))
            await clock.sleep(pauseMs, never)
          }
          await Promise.all(running)
          expect(startsMs).toHaveLength(bursts.reduce((sum, { calls }) => sum + calls, 0))
          expect(mostInAnyWindow(startsMs, MINUTE_MS)).toBeLessThanOrEqual(callsPerMinute)
        },
      ),
      { numRuns: 12 },
    )
  })

  test('keeps the limit over real time too', async () => {
    const limiter = createRateLimiter({ callsPerMinute: 4, windowMs: 150 })
    const startsMs: number[] = []
    const calls = Array.from({ length: 14 }, () =>
      limiter.run(async () => void startsMs.push(Date.now()), never),
    )
    await Promise.all(calls)
    expect(mostInAnyWindow(startsMs, 150)).toBeLessThanOrEqual(4)
  })

  test('starts calls in the order of asking and hands their results and errors through', async () => {
    const limiter = createRateLimiter({ callsPerMinute: 2, clock: new VirtualClock() })
    const order: number[] = []
    const calls = [1, 2, 3, 4, 5].map((n) => limiter.run(async () => order.push(n) && n, never))
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4, 5])
    expect(order).toEqual([1, 2, 3, 4, 5])
    await expect(limiter.run(() => Promise.reject(new Error('broken')), never)).rejects.toThrow('broken')
  })

  test('0 means no limit', async () => {
    const clock = new VirtualClock()
    const limiter = createRateLimiter({ callsPerMinute: 0, clock })
    await Promise.all(Array.from({ length: 500 }, () => limiter.run(async () => undefined, never)))
    expect(clock.sleeps).toEqual([])
    expect(limiter.estimateMs(1_000_000)).toBe(0)
  })

  test('follows a limit that changes, also for calls that wait', async () => {
    const clock = new VirtualClock()
    const options = { callsPerMinute: 1, clock }
    const limiter = createRateLimiter(options)
    const startsMs: number[] = []
    const run = () => limiter.run(async () => void startsMs.push(clock.now()), never)
    const fromMs = clock.now()
    const waiting = [run(), run(), run()]
    await waiting[0]
    options.callsPerMinute = 2
    await waiting[1]
    expect(clock.now() - fromMs).toBeLessThan(20_000)
    options.callsPerMinute = 0
    await Promise.all([waiting[2], run(), run()])
    expect(clock.now() - fromMs).toBeLessThan(40_000)
    options.callsPerMinute = 1 // how many there were without one nobody knows
    const againMs = clock.now()
    await run()
    expect(clock.now() - againMs).toBe(MINUTE_MS)
  })

  test.each([0, 5])('a pause holds everybody back until its end (limit %i)', async (callsPerMinute) => {
    const clock = new VirtualClock()
    const limiter = createRateLimiter({ callsPerMinute, clock })
    const endMs = clock.now() + 30_000
    await limiter.pauseFor(30_000)
    await limiter.pauseFor(10_000) // a shorter one does not end the longer
    const waits: LimiterWait[] = []
    const turn = { onWait: (wait: LimiterWait) => void waits.push(wait) }
    const startsMs = await Promise.all([1, 2].map(() => limiter.run(async () => clock.now(), never, turn)))
    expect(waits[0]).toEqual({ waitMs: 30_000, reason: 'pause' })
    expect(Math.min(...startsMs)).toBeGreaterThanOrEqual(endMs)
  })

  test('an abort ends the wait at once; the call never starts and its place goes to the next', async () => {
    const clock = new VirtualClock()
    const limiter = createRateLimiter({ callsPerMinute: 1, clock })
    const startMs = clock.now()
    await limiter.run(async () => undefined, never)
    const controller = new AbortController()
    let started = false
    const waiting = limiter.run(async () => void (started = true), controller.signal)
    const next = limiter.run(async () => clock.now(), never)
    controller.abort()
    await expect(waiting).rejects.toThrow(InterruptedError)
    expect((await next) - startMs).toBeLessThanOrEqual(MINUTE_MS + 1)
    expect(started).toBe(false)
    await expect(limiter.run(async () => undefined, controller.signal)).rejects.toThrow(InterruptedError)
  })

  test('closing ends all waits', async () => {
    const limiter = createRateLimiter({ callsPerMinute: 1 })
    await limiter.run(async () => undefined, never)
    const waiting = limiter.run(async () => undefined, never)
    await limiter.close()
    await expect(waiting).rejects.toThrow(InterruptedError)
    await expect(limiter.run(async () => undefined, never)).rejects.toThrow('closed')
  })

  test('tells of each wait, its length and its reason', async () => {
    const waits: LimiterWait[] = []
    const clock = new VirtualClock()
    const limiter = createRateLimiter({ callsPerMinute: 2, clock })
    const turn = { onWait: (wait: LimiterWait) => void waits.push(wait) }
    await Promise.all(Array.from({ length: 5 }, () => limiter.run(async () => undefined, never, turn)))
    expect(waits).toEqual([
      { waitMs: MINUTE_MS, reason: 'budget' },
      { waitMs: MINUTE_MS, reason: 'budget' },
      { waitMs: 2 * MINUTE_MS, reason: 'budget' },
    ])
  })

  test('estimates when the last of some calls can start', async () => {
    const clock = new VirtualClock()
    const limiter = createRateLimiter({ callsPerMinute: 5, clock })
    expect([0, 1, 5, 6, 10, 11, 26].map((calls) => limiter.estimateMs(calls) / MINUTE_MS)).toEqual([
      0, 0, 0, 1, 1, 2, 5,
    ])
    await limiter.run(async () => undefined, never)
    await clock.sleep(20_000, never)
    await limiter.run(async () => undefined, never)
    expect([3, 4, 5, 6].map((calls) => limiter.estimateMs(calls))).toEqual([0, 40_000, 60_000, 60_000])
    await clock.sleep(45_000, never)
    expect(limiter.estimateMs(5)).toBe(15_000)
  })

  test('a wall clock that is set back does not stall it', async () => {
    let nowMs = Date.UTC(2025, 0, 3, 15)
    const sleeps: number[] = []
    const sleep = async (ms: number) => {
      sleeps.push(ms)
      nowMs += ms
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const limiter = createRateLimiter({ callsPerMinute: 1, clock: { now: () => nowMs, sleep } })
    await limiter.run(async () => undefined, never)
    nowMs -= 3_600_000
    await limiter.run(async () => undefined, never)
    expect(Math.max(...sleeps)).toBeLessThanOrEqual(MINUTE_MS)
  })

  test('lets the process end while starts are still remembered', async () => {
    const { code, stdout } = await runNode(`
      const { createRateLimiter } = await import('./src/core/rate-limit.ts')
      const limiter = createRateLimiter({ callsPerMinute: 1 })
      await limiter.run(async () => console.log('called'), new AbortController().signal)
    `)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'called\n' })
  })

  test("knows the vendor's plans, the free one first of all", () => {
    expect(PLAN_CALLS_PER_MINUTE.free).toBe(5)
    expect(PLAN_CALLS_PER_MINUTE.advanced).toBeLessThan(100 * 60)
  })
})
