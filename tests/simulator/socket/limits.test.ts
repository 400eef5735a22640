import { describe, expect, test, vi } from 'vitest'
import { simulate } from '../support.ts'
import { at, connect, DAY, follow, settled, simulateMarket } from './support.ts'

describe('the limit of one connection per key and cluster', () => {
  test('evicts the older one, after the newcomer has its acknowledgement', async () => {
    const simulator = await simulate()
    const older = await follow(simulator, 'AM.SPY')
    const newcomer = await follow(simulator, 'AM.SPY')
    expect((await older.status('max_connections')).message).toMatch(
      /^Maximum number of websocket connections/,
    )
    expect(await older.closed).toBe(1008)
    await settled(newcomer)
    expect(newcomer.socket.readyState).toBe(newcomer.socket.OPEN)
    expect(simulator.socketStats()).toMatchObject({ connections: 2, evicted: 1 })
  })

  test('evicts the newcomer instead, if told', async () => {
    const simulator = await simulate({ evict: 'newcomer' })
    const older = await follow(simulator, 'AM.SPY')
    const newcomer = await follow(simulator, 'AM.SPY')
    await newcomer.status('max_connections')
    expect(await newcomer.closed).toBe(1008)
    await settled(older)
    expect(older.statuses.map(({ status }) => status)).not.toContain('max_connections')
  })

  test('counts the delayed host with the other, not other clusters, keys and those without subscription', async () => {
    const simulator = await simulate()
    const stocks = await follow(simulator, 'AM.SPY')
    const others = [
      await follow(simulator, 'AM.I:SPX', '/indices'),
      await follow(simulator, 'AM.SPY', '/stocks', 'another-key'),
    ]
    const silent = connect(simulator)
    await silent.status('connected')
    silent.send('auth', 'a-key')
    await silent.status('auth_success')
    await Promise.all([stocks, ...others].map(settled))
    expect(simulator.socketStats().evicted).toBe(0)
    await follow(simulator, 'AM.SPY', '/delayed/stocks')
    expect(await stocks.closed).toBe(1008)
    expect(simulator.socketStats().evicted).toBe(1)
  })

  test('can be wider', async () => {
    const simulator = await simulate({ maxConnections: 2 })
    const first = await follow(simulator, 'AM.SPY')
    await follow(simulator, 'AM.SPY')
    await settled(first)
    expect(simulator.socketStats().evicted).toBe(0)
    await follow(simulator, 'AM.SPY')
    expect(await first.closed).toBe(1008)
  })
})

describe('a client that does not read', () => {
  test('is thrown off once its buffer is full', async () => {
    const simulator = await simulateMarket({
      ...{ startMs: at(DAY, '09:30'), speed: 5000, startOnSubscribe: true },
      slowConsumerBytes: 100_000,
    })
    const client = await follow(simulator, 'Q.NVDA,Q.SPY,Q.QQQ')
    client.socket.pause()
    await vi.waitUntil(() => simulator.socketStats().slowConsumers === 1, { timeout: 30_000 })
    client.socket.resume()
    expect(await client.closed).toBeOneOf([1006, 1008])
  })

  test('holds up a market at full speed, which loses nothing', async () => {
    const simulator = await simulateMarket({
      ...{ startMs: at(DAY, '09:30'), speed: 'max' },
      untilMs: at(DAY, '09:40'),
    })
    const client = await follow(simulator, 'Q.NVDA,Q.SPY')
    client.socket.pause()
    const heldMs = await standstill(() => simulator.marketNow())
    expect(heldMs).toBeLessThan(at(DAY, '09:40'))
    client.socket.resume()
    await simulator.marketReached(at(DAY, '09:40'))
    await settled(client)
    expect(client.events.length).toBe(simulator.socketStats().events)
  })
})

/** The value at which `read` no longer changes. */
async function standstill(read: () => number): Promise<number> {
  let last = NaN
  await vi.waitUntil(
    () => {
      const same = read() === last
      last = read()
      return same
    },
    { interval: 300, timeout: 30_000 },
  )
  return last
}
