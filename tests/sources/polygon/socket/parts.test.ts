import { describe, expect, test } from 'vitest'
import { BackOff, DEFAULT_BACK_OFF } from '../../../../src/sources/polygon/socket/back-off.ts'
import { accountScope, delayedUrlOf, socketUrl } from '../../../../src/sources/polygon/socket/hosts.ts'
import { startSocketVendor, status } from '../../../support/socket-vendor.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'
import { openFeed } from './feed.ts'
import { eventually } from '../../../support/eventually.ts'

describe('the back-off', () => {
  test('doubles up to its limit, leaves a part to chance, and begins again after a reset', () => {
    const backOff = new BackOff({ baseMs: 100, maxMs: 1000, jitter: 0.5 }, () => 0)
    expect([1, 2, 3, 4, 5, 6].map(() => backOff.next())).toEqual([100, 200, 400, 800, 1000, 1000])
    expect(backOff.next(60_000)).toBe(60_000)
    backOff.reset()
    expect(backOff.next()).toBe(100)
    const lucky = new BackOff({ baseMs: 100, maxMs: 1000, jitter: 0.5 }, () => 0.999_999)
    expect([lucky.next(), lucky.next()]).toEqual([50, 100])
    const long = new BackOff(DEFAULT_BACK_OFF, () => 0)
    expect(Array.from({ length: 2000 }, () => long.next()).at(-1)).toBe(60_000)
  })

  test('goes on growing while connections are evicted at once, each wait a minute at least, and says who is to blame', async () => {
    const clock = new VirtualClock()
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      client.send(status('max_connections', 'Maximum number of websocket connections exceeded.'))
      client.ws.close(1008)
    })
    const { told } = openFeed({
      ...{ url: vendor.url, clock, random: () => 0, healthyAfterMs: 10_000, maxConnectionsWaitMs: 60_000 },
      backOff: { baseMs: 40_000, maxMs: 300_000 },
    })
    await eventually(() => clock.sleeps.length).toBeGreaterThan(3)
    expect(clock.sleeps.slice(0, 4)).toEqual([60_000, 80_000, 160_000, 300_000])
    expect(told.find((line) => line.startsWith('reconnecting'))).toContain(
      'another process holds the live socket',
    )
  })

  test('begins again only after a connection that lived long enough and brought events', async () => {
    const clock = new VirtualClock()
    const vendor = await startSocketVendor(async (client, index) => {
      await client.welcome()
      if (index === 2) client.send([{ ev: 'AM', sym: 'SPY' }])
      client.ws.close(1001)
    })
    const { feed } = openFeed({
      url: vendor.url,
      clock,
      random: () => 0,
      backOff: { baseMs: 10, maxMs: 1000 },
    })
    await eventually(() => clock.sleeps.length).toBeGreaterThan(4)
    expect(clock.sleeps.slice(0, 5)).toEqual([10, 20, 10, 20, 40])
    await feed.close()
  })
})

describe('addresses', () => {
  test('of clusters keep host and path', () => {
    expect(socketUrl('wss://socket.polygon.io', 'stocks')).toBe('wss://socket.polygon.io/stocks')
    expect(socketUrl('ws://127.0.0.1:81/a/', 'options')).toBe('ws://127.0.0.1:81/a/options')
  })

  test('of delayed events are the vendor’s other host, or the path of the simulator', () => {
    expect(delayedUrlOf('wss://socket.massive.com')).toBe('wss://delayed.massive.com/')
    expect(delayedUrlOf('ws://127.0.0.1:81')).toBe('ws://127.0.0.1:81/delayed')
    expect(delayedUrlOf('wss://delayed.polygon.io')).toBeUndefined()
    expect(delayedUrlOf('ws://127.0.0.1:81/delayed/')).toBeUndefined()
  })

  test('of the vendor share one account, whatever the host; any other is a world of its own', () => {
    const hosts = ['wss://socket.polygon.io', 'wss://delayed.massive.com', 'wss://polygon.io']
    expect(hosts.map(accountScope)).toEqual(['polygon', 'polygon', 'polygon'])
    expect(accountScope('ws://127.0.0.1:81')).toBe('127.0.0.1:81')
    expect(accountScope('wss://notpolygon.io')).toBe('notpolygon.io')
  })
})
