import { describe, expect, test, vi } from 'vitest'
import { createMarketClock } from '../../../src/simulator/socket/index.ts'
import { getAll, minutes } from '../support.ts'
import { at, clockTimes, DAY, follow, record, settled, simulateDay, simulateMarket } from './support.ts'

const never = new AbortController().signal

describe('the market clock', () => {
  test('passes as fast as it is told, from when it is started', async () => {
    const clock = createMarketClock({ startMs: 1000, speed: 1000 })
    expect([clock.nowMs(), clock.started]).toEqual([1000, false])
    clock.start()
    const before = performance.now()
    await clock.reach(61_000, never)
    expect(performance.now() - before).toBeGreaterThan(55)
    expect(clock.nowMs()).toBeGreaterThanOrEqual(61_000)
  })

  test('follows another clock, backwards too', async () => {
    let nowMs = 5000
    const clock = createMarketClock({ now: () => nowMs, startMs: 0, speed: 'max' })
    const reached = clock.reach(9000, never)
    nowMs = 9000
    await reached
    nowMs = 100
    expect(clock.nowMs()).toBe(100)
  })

  test('is not waited for once that is aborted', async () => {
    const wake = new AbortController()
    const clock = createMarketClock({ startMs: 0, speed: 1 })
    const waits = clock.reach(1e12, wake.signal)
    wake.abort()
    await waits
    expect(clock.nowMs()).toBe(0)
  })
})

describe('a simulator', () => {
  test('waits for its first subscriber, who then misses nothing', async () => {
    const simulator = await simulateMarket({
      ...{ startMs: at(DAY, '09:31'), speed: 3000, startOnSubscribe: true },
    })
    await follow(simulator, 'AM.I:SPX', '/indices').then(({ socket }) => socket.close())
    expect(simulator.marketNow()).toBeLessThan(at(DAY, '09:40'))
    const other = await simulateMarket({ startMs: at(DAY, '09:31'), speed: 3000, startOnSubscribe: 2 })
    const first = await follow(other, 'AM.SPY')
    expect(other.marketNow()).toBe(at(DAY, '09:31'))
    const second = await follow(other, 'AM.I:SPX', '/indices')
    await other.marketReached(at(DAY, '09:33'))
    await Promise.all([first, second].map(settled))
    expect(clockTimes(first.events)[0]).toBe('09:30')
    expect(clockTimes(second.events)[0]).toBe('09:30')
  })

  test('stands still at full speed while nobody is there', async () => {
    const simulator = await simulateDay()
    const client = await follow(simulator, 'A.SPY')
    await simulator.marketReached(at(DAY, '04:30'))
    client.socket.terminate()
    await client.closed
    const next = await follow(simulator, 'AM.SPY')
    await simulator.marketReached(at(DAY, '20:10'))
    await settled(next)
    const had = client.events.at(-1)!.s
    expect(next.events[0]!.e).toBeGreaterThan(had)
    expect(clockTimes(next.events).at(-1)).toBe('19:59')
  })

  test('goes on at full speed without a subscriber who said goodbye, but not without one who broke off', async () => {
    const simulator = await simulateDay({ startOnSubscribe: 2 })
    const polite = await follow(simulator, 'AM.I:SPX', '/indices')
    const other = await follow(simulator, 'A.SPY')
    await simulator.marketReached(at(DAY, '04:30'))
    polite.socket.close()
    await polite.closed
    await simulator.marketReached(at(DAY, '05:30'))
    other.socket.terminate()
    await other.closed
    const next = await follow(simulator, 'AM.SPY')
    await simulator.marketReached(at(DAY, '20:10'))
    await settled(next)
    expect(next.events[0]!.e).toBeGreaterThan(other.events.at(-1)!.s)
  })

  test('runs without anybody once it is told to, and ends at midnight', async () => {
    const simulator = await simulateDay()
    expect(simulator.marketNow()).toBe(at(DAY, '04:00'))
    simulator.startMarket()
    await simulator.marketReached(at('2025-06-04', '00:00'))
    expect(simulator.marketNow()).toBe(at('2025-06-04', '00:00'))
    const alone = await simulateDay({ startOnSubscribe: false })
    await alone.marketReached(at('2025-06-04', '00:00'))
    expect(alone.socketStats()).toMatchObject({ events: 0, connections: 0 })
  })

  test('keeps back over REST what happened last', async () => {
    const untilMs = at(DAY, '09:45:04')
    const simulator = await simulateDay({ startMs: at(DAY, '09:30'), untilMs })
    const client = await record(simulator, 'AM.SPY', { untilMs })
    expect(clockTimes(client.events).at(-1)).toBe('09:44')
    const known = async (of: typeof simulator) => (await getAll(of, minutes('SPY', DAY))).at(-1)!.t
    expect(await known(simulator)).toBe(at(DAY, '09:43'))
    const prompt = await simulateDay({ startMs: untilMs, publicationDelayMs: 0 })
    expect(await known(prompt)).toBe(at(DAY, '09:44'))
  })

  test('follows a clock kept elsewhere with both REST and socket', async () => {
    let nowMs = at(DAY, '10:00:30')
    const simulator = await simulateMarket({ now: () => nowMs, lateBars: 0 })
    const client = await follow(simulator, 'AM.SPY')
    nowMs = at(DAY, '10:02:30')
    await vi.waitUntil(() => client.events.length === 2)
    expect(clockTimes(client.events)).toEqual(['10:00', '10:01'])
    nowMs = at(DAY, '09:00')
    expect(simulator.marketNow()).toBe(nowMs)
    await vi.waitUntil(async () => (await getAll(simulator, minutes('SPY', DAY))).length === 300)
  })

  test('forgets what is no longer subscribed', async () => {
    const simulator = await simulateMarket({
      ...{ startMs: at(DAY, '10:00'), speed: 1200, startOnSubscribe: true },
      lateBars: 0,
    })
    const client = await follow(simulator, 'AM.SPY,AM.QQQ')
    await vi.waitUntil(() => client.events.length >= 4)
    client.send('unsubscribe', 'AM.QQQ')
    await client.status('success', 3)
    const before = client.events.length
    await vi.waitUntil(() => client.events.length >= before + 4)
    expect(new Set(client.events.slice(before).map(({ sym }) => sym))).toEqual(new Set(['SPY']))
  })
})
