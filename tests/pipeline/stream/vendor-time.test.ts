import { describe, expect, test } from 'vitest'
import { NetworkError } from '../../../src/core/errors.ts'
import { XNYS } from '../../../src/market/calendar/xnys.ts'
import type { Alert } from '../../../src/monitor/alerts.ts'
import type { StreamOptions } from '../../../src/pipeline/stream/contract.ts'
import { waitForOpen } from '../../../src/pipeline/stream/hours.ts'
import { wallMarketClock } from '../../../src/pipeline/stream/market-clock.ts'
import { VendorTime } from '../../../src/pipeline/stream/vendor-time.ts'

const SESSION = XNYS.on('2025-06-10')!
const NOW = Date.parse('2025-06-10T14:00:00Z')
const never = new AbortController().signal

/** A vendor whose clock shows `vendorMs`, and what was told about it. */
function vendorAt(vendorMs: () => number, now = () => NOW) {
  const alerts: Alert[] = []
  const problems: string[] = []
  const options = {
    ...{ now, ignoreHours: false, immediate: never },
    vendor: { now: () => new Promise<number>((resolve) => resolve(vendorMs())) },
    hooks: {
      onAlert: (alert: Alert) => void alerts.push(alert),
      onProblem: (what: string) => void problems.push(what),
    },
  } as unknown as StreamOptions
  const time = new VendorTime(options)
  return { time, clock: wallMarketClock(now, time, () => 0), alerts, problems }
}

describe('the time of a live market', () => {
  test.each([
    ['within two seconds', 1000, 0, 0],
    ['some seconds ahead', -10_000, -9500, 0],
    ['minutes ahead', -180_000, -179_500, 1],
    ['minutes behind', 180_000, 180_500, 1],
    ['hours behind', 7_200_000, 0, 1],
  ])('of a machine that is %s', async (_name, differenceMs, correctionMs, told) => {
    const { time, clock, alerts } = vendorAt(() => NOW + differenceMs)
    expect(clock.nowMs()).toBe(NOW)
    await time.ask()
    await time.ask()
    expect(clock.nowMs()).toBe(NOW + correctionMs)
    expect(alerts).toHaveLength(told)
  })

  test('is that of the machine where the vendor does not answer', async () => {
    const { time, clock, problems } = vendorAt(() => {
      throw new NetworkError('no answer')
    })
    await time.ask()
    expect(clock.nowMs()).toBe(NOW)
    expect(problems).toEqual(["the vendor's clock"])
  })

  test('ends a session only when the vendor agrees', async () => {
    const after = SESSION.extendedCloseMs + 100_000
    const early = vendorAt(
      () => after - 60_000,
      () => after,
    )
    expect(await early.time.confirmsEnd(SESSION, () => early.clock.nowMs())).toBe(false)
    const over = vendorAt(
      () => after,
      () => after,
    )
    expect(await over.time.confirmsEnd(SESSION, () => over.clock.nowMs())).toBe(true)
    const before = vendorAt(() => after)
    expect(await before.time.confirmsEnd(SESSION, () => before.clock.nowMs())).toBe(false)
    expect(before.time.newestMs).toBe(-Infinity)
  })
})

test('the wait for the open is told less and less often, and ends with the clock, not with a sleep', async () => {
  let nowMs = SESSION.extendedOpenMs - 7_200_000
  const told: number[] = []
  const now = () => (nowMs += 1_800_000)
  await waitForOpen(SESSION, now, (waitMs) => told.push(waitMs / 60_000), never)
  expect(told).toEqual([90, 60, 30])
})
