import { setTimeout as later } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { abortable, abortError, sleep, throwIfAborted, withDeadline } from '../../src/core/abort.ts'
import { systemClock } from '../../src/core/clock.ts'
import { InterruptedError, TimeoutError } from '../../src/core/errors.ts'

const never = new AbortController().signal
const HOUR_MS = 3_600_000
const late = () => new TimeoutError('too late')

describe('abort', () => {
  test('what an aborted signal throws is its own reason if that is one of our errors', () => {
    const reason = new TimeoutError('x')
    expect(abortError(AbortSignal.abort(reason))).toBe(reason)
    expect(abortError(AbortSignal.abort('because'))).toBeInstanceOf(InterruptedError)
    expect(abortError(AbortSignal.abort('because')).cause).toBe('because')
  })

  test('a signal that is not aborted stops nothing', () => {
    expect(() => throwIfAborted(never)).not.toThrow()
    expect(() => throwIfAborted(AbortSignal.abort())).toThrow(InterruptedError)
  })

  test('a sleep is over only when its time has passed', async () => {
    const startMs = performance.now()
    await sleep(20, never)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(20)
    expect(systemClock.now()).toBeGreaterThan(Date.UTC(2025, 0, 1))
  })

  test('an hour of sleep ends at once when the signal aborts, before or during it', async () => {
    await expect(sleep(HOUR_MS, AbortSignal.abort())).rejects.toThrow(InterruptedError)
    const controller = new AbortController()
    const asleep = sleep(HOUR_MS, controller.signal)
    controller.abort()
    await expect(asleep).rejects.toThrow(InterruptedError)
  })

  test('a sleep longer than Node timers can hold does not end early', async () => {
    const controller = new AbortController()
    const month = sleep(60 * 24 * HOUR_MS, controller.signal)
    const first = await Promise.race([month.then(() => 'slept'), later(30, 'still asleep')])
    controller.abort()
    await expect(month).rejects.toThrow(InterruptedError)
    expect(first).toBe('still asleep')
  })

  test('work that does not listen to the signal is left behind when it aborts', async () => {
    const controller = new AbortController()
    const stuck = abortable(new Promise<never>(() => undefined), controller.signal)
    controller.abort()
    await expect(stuck).rejects.toThrow(InterruptedError)
    await expect(abortable(Promise.resolve(1), never)).resolves.toBe(1)
    await expect(abortable(later(1, 2), AbortSignal.abort())).rejects.toThrow(InterruptedError)
  })
})

describe('a deadline', () => {
  test('lets work that ends in time through, with its result or its error', async () => {
    await expect(withDeadline(HOUR_MS, late, () => Promise.resolve('done'), never)).resolves.toBe('done')
    const broken = withDeadline(HOUR_MS, late, () => Promise.reject(new Error('broken')), never)
    await expect(broken).rejects.toThrow('broken')
  })

  test('ends work that takes longer, with the error asked for, and tells it so', async () => {
    let told: AbortSignal | undefined
    const stuck = withDeadline(
      5,
      late,
      (signal) => {
        told = signal
        return new Promise<never>(() => undefined)
      },
      never,
    )
    await expect(stuck).rejects.toThrow(new TimeoutError('too late'))
    expect(told?.aborted).toBe(true)
  })

  test('passes an outer abort on, which is no timeout', async () => {
    const controller = new AbortController()
    const stuck = withDeadline(HOUR_MS, late, (signal) => sleep(HOUR_MS, signal), controller.signal)
    controller.abort()
    await expect(stuck).rejects.toThrow(InterruptedError)
    let started = false
    const refused = withDeadline(HOUR_MS, late, async () => void (started = true), controller.signal)
    await expect(refused).rejects.toThrow(InterruptedError)
    expect(started).toBe(false)
  })
})
