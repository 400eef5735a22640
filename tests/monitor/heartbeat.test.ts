import { describe, expect, test } from 'vitest'
import { HeartbeatCounter, heartbeatText, StallWatch } from '../../src/monitor/heartbeat.ts'

const FEED = { queueDepth: 3, reconnects: 1 }

describe('a heartbeat', () => {
  test('counts rows since the start and since the last one, with the lags of the latter', () => {
    const counter = new HeartbeatCounter()
    for (let lag = 1; lag <= 100; lag++) counter.received(1, lag)
    expect(counter.beat(FEED)).toEqual({ rows: 100, rowsSinceLast: 100, lagP50Ms: 50, lagP99Ms: 99, ...FEED })
    counter.received(5, 7)
    expect(counter.beat(FEED)).toMatchObject({ rows: 105, rowsSinceLast: 5, lagP50Ms: 7, lagP99Ms: 7 })
  })

  test('without rows says so', () => {
    const beat = new HeartbeatCounter().beat(FEED)
    expect(beat).toMatchObject({ lagP50Ms: undefined, lagP99Ms: undefined })
    expect(heartbeatText(beat)).toBe('heartbeat: 0 rows (+0), no rows, queue 3, reconnects 1')
  })

  test('of a million rows keeps a bounded sample, whose quantiles are right', () => {
    const counter = new HeartbeatCounter()
    for (let i = 0; i < 1_000_000; i++) counter.received(1, (i * 7919) % 1000)
    const { lagP50Ms, lagP99Ms } = counter.beat(FEED)
    expect(Math.abs(lagP50Ms! - 500)).toBeLessThan(40)
    expect(Math.abs(lagP99Ms! - 990)).toBeLessThan(10)
  })

  test('is one line', () => {
    const text = heartbeatText({ rows: 9, rowsSinceLast: 2, lagP50Ms: 12.4, lagP99Ms: 80, ...FEED })
    expect(text).toBe('heartbeat: 9 rows (+2), lag p50 12 ms p99 80 ms, queue 3, reconnects 1')
  })
})

describe('a stall', () => {
  test('is told once, and so is its end', () => {
    const watch = new StallWatch(900, 1000)
    expect(watch.check(1899, true)).toBeUndefined()
    expect(watch.check(1900, true)).toBe(900)
    expect(watch.check(2500, true)).toBeUndefined()
    expect(watch.received(3000)).toBe(2000)
    expect(watch.received(3001)).toBeUndefined()
    expect(watch.check(3901, true)).toBe(900)
  })

  test('does not begin before data is to be expected', () => {
    const watch = new StallWatch(900, 0)
    expect(watch.check(5000, false)).toBeUndefined()
    expect(watch.check(5899, true)).toBeUndefined()
    expect(watch.check(5900, true)).toBe(900)
  })
})
