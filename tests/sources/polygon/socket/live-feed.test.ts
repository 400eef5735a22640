import type { IncomingMessage } from 'node:http'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  AuthenticationError,
  ConfigError,
  EntitlementError,
  EXIT,
  InterruptedError,
  NotFoundError,
  UsageError,
} from '../../../../src/core/errors.ts'
import {
  AUTH_SUCCESS,
  CONNECTED,
  minuteBar,
  startSocketVendor,
  status,
  type VendorClient,
} from '../../../support/socket-vendor.ts'
import { KEY, minutesOf, openFeed, take } from './feed.ts'
import { eventually } from '../../../support/eventually.ts'

const never = new Promise<never>(() => undefined)
const bar = (minute: number) => [minuteBar(minute)]

describe('the handshake', () => {
  test('waits for the greeting, sends the key in a message and never in the address, then subscribes', async () => {
    const vendor = await startSocketVendor(async (client) => {
      expect(client.received).toEqual([])
      client.send(CONNECTED)
      await client.next('auth')
      expect(client.received).toEqual([{ action: 'auth', params: KEY }])
      client.send(AUTH_SUCCESS)
      await client.next('subscribe')
      client.send([status('success', 'subscribed to: AM.SPY')[0], minuteBar(0)])
      client.send(status('success', 'subscribed to: T.SPY'))
    })
    const { feed, told, raw } = openFeed({ url: vendor.url, params: ['AM.SPY', 'T.SPY'] })
    expect(minutesOf(await take(feed, 1))).toEqual([0])
    await eventually(() => told).toEqual([
      'connected 1',
      'authenticated',
      'ack subscribe AM.SPY',
      'ack subscribe T.SPY',
    ])
    expect(vendor.upgrades.map(({ url }) => url)).toEqual(['/stocks'])
    expect(inspect(vendor.upgrades[0]!.headers)).not.toContain(KEY)
    expect(raw()).not.toContain(KEY)
    expect(feed.stats()).toMatchObject({ frames: 1, connections: 1, connected: true, delayed: false })
  })

  test('asks in chunks, and for more while it runs', async () => {
    const vendor = await startSocketVendor((client) => client.welcome())
    const params = Array.from({ length: 250 }, (_, i) => `AM.S${i}`)
    const { feed, told } = openFeed({ url: vendor.url, params })
    await eventually(() => told.filter((line) => line.startsWith('ack')).length).toBe(250)
    feed.subscribe(['T.SPY', 'T.SPY', 'AM.S1'])
    feed.unsubscribe(['AM.S0', 'AM.NEVER'])
    await eventually(() => told.slice(-2)).toEqual(['ack subscribe T.SPY', 'ack unsubscribe AM.S0'])
    const sizes = vendor.clients[0]!.received.slice(1).map((message) => message.params.split(',').length)
    expect(sizes).toEqual([100, 100, 50, 1, 1])
    expect(feed.wanted).toEqual([...params.slice(1), 'T.SPY'])
  })

  test('names what is refused while the rest runs, and does not wait for ever for what is not answered', async () => {
    const vendor = await startSocketVendor(async (client) => {
      client.send(CONNECTED)
      await client.next('auth')
      client.send(AUTH_SUCCESS)
      await client.next('subscribe')
      client.send(status('error', 'not authorized to subscribe to: T.SPY'))
      client.send(status('error', 'something went wrong'))
      client.send(status('no_idea', 'what this is'))
      client.send([status('success', 'subscribed to: AM.SPY')[0], minuteBar(1)])
    })
    const params = ['AM.SPY', 'T.SPY', 'Q.SPY']
    const { feed, told } = openFeed({ url: vendor.url, params, timeouts: { ackMs: 50 } })
    expect(minutesOf(await take(feed, 1))).toEqual([1])
    await eventually(() => told.slice(2)).toEqual([
      'refused T.SPY: not authorized to subscribe to: T.SPY',
      'refused : something went wrong',
      'unknown no_idea: what this is',
      'ack subscribe AM.SPY',
      'unanswered Q.SPY',
    ])
    expect(feed.stats().connected).toBe(true)
  })

  test.each([
    ['greeting', (_client: VendorClient) => never],
    ['answer to the key', (client: VendorClient) => client.send(CONNECTED)],
  ])('is given up and begun again when the %s does not come in time', async (_what, script) => {
    const vendor = await startSocketVendor((client, index) =>
      index === 0 ? script(client) : client.welcome(),
    )
    const { told } = openFeed({ url: vendor.url, timeouts: { authMs: 50 } })
    await eventually(() => told.at(-1)).toBe('authenticated')
    expect(told).toContain('disconnected handshake')
  })

  test('tries again after the vendor said that the key did not come in time', async () => {
    const vendor = await startSocketVendor(async (client, index) => {
      if (index > 0) return client.welcome()
      client.send(status('auth_timeout', 'No authentication request received.'))
      client.ws.close(1008)
    })
    const { told } = openFeed({ url: vendor.url })
    await eventually(() => told.at(-1)).toBe('authenticated')
    expect(told.slice(0, 2)).toContain('disconnected auth')
  })
})

describe('a key that is refused', () => {
  const refusing = (message: string) => async (client: VendorClient) => {
    client.send(CONNECTED)
    const key = await client.next('auth')
    client.send(status('auth_failed', message.replace('KEY', key)))
    client.ws.close(1008)
  }

  test('ends the feed with the vendor’s words, without the key, after the delayed host refused it too', async () => {
    const vendor = await startSocketVendor(refusing('authentication failed for KEY'))
    const { feed, told, raw } = openFeed({ url: vendor.url })
    const ended = take(feed, 1)
    await expect(ended).rejects.toThrow(AuthenticationError)
    await expect(ended).rejects.toMatchObject({
      exitCode: EXIT.auth,
      vendorMessage: expect.stringContaining('authentication failed') as string,
    })
    expect(vendor.clients.map(({ path }) => path)).toEqual(['/stocks', '/delayed/stocks'])
    expect(told.filter((line) => line.startsWith('delayed host'))).toHaveLength(1)
    expect(raw() + inspect(await ended.catch((error: unknown) => error))).not.toContain(KEY)
  })

  test('runs on the delayed host where only that takes it, and says so', async () => {
    const vendor = await startSocketVendor(async (client) => {
      if (client.path === '/stocks') return refusing('authentication failed')(client)
      await client.welcome()
      client.send(bar(3))
    })
    const { feed, told } = openFeed({ url: vendor.url })
    expect(minutesOf(await take(feed, 1))).toEqual([3])
    expect(told).toContain('delayed host authentication failed')
    expect(told).toContain('authenticated delayed')
    expect(feed.stats()).toMatchObject({ delayed: true, connected: true })
  })

  test('is what the real-time host said where there is no delayed host', async () => {
    const refuse = (request: IncomingMessage) => (request.url === '/stocks' ? undefined : 404)
    const vendor = await startSocketVendor(refusing('authentication failed'), { refuse })
    await expect(take(openFeed({ url: vendor.url }).feed, 1)).rejects.toThrow('authentication failed')
    const other = openFeed({ url: vendor.url, delayedUrl: null })
    await expect(take(other.feed, 1)).rejects.toThrow(AuthenticationError)
    expect(other.told.some((line) => line.startsWith('delayed'))).toBe(false)
  })

  test('for want of a plan is an entitlement, and nobody else is asked', async () => {
    const words = "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade."
    const vendor = await startSocketVendor(refusing(words))
    const ended = take(openFeed({ url: vendor.url }).feed, 1)
    await expect(ended).rejects.toThrow(EntitlementError)
    await expect(ended).rejects.toThrow(words)
    expect(vendor.clients).toHaveLength(1)
  })

  test.each([
    [401, AuthenticationError],
    [404, NotFoundError],
  ])('by HTTP %i instead of a WebSocket ends the feed', async (code, type) => {
    const vendor = await startSocketVendor(() => undefined, { refuse: () => code })
    await expect(take(openFeed({ url: vendor.url, delayedUrl: null }).feed, 1)).rejects.toThrow(type)
  })
})

describe('a connection that ends', () => {
  const kick = (name: string, code: number) => (client: VendorClient) => {
    client.send(status(name, `${name} it says`))
    client.ws.close(code)
  }
  const endings: [string, (client: VendorClient) => void, string][] = [
    ['is cut', (client) => client.tcp.resetAndDestroy(), 'cut'],
    ['is closed with a goodbye', (client) => client.ws.close(1001, 'going away'), 'clean_close'],
    ['is evicted', kick('max_connections', 1008), 'max_connections'],
    ['is closed with 1008 and no word', (client) => client.ws.close(1008), 'max_connections'],
    ['is ended by force', kick('force_disconnect', 1000), 'kicked'],
    ['is ended for slow reading', kick('slow_consumer', 1008), 'slow_consumer'],
    [
      'is announced to end and then left hanging',
      (client) => client.send(status('slow_consumer', 'slow')),
      'slow_consumer',
    ],
    [
      'sends what is no WebSocket',
      (client) => void client.tcp.write(Buffer.from([0xff, 0xff, 0xff])),
      'protocol',
    ],
    ['sends a frame that is too large', (client) => client.send(`["${'x'.repeat(300_000)}"]`), 'protocol'],
  ]
  test.each(endings)('because it %s is replaced by one that subscribes again', async (_name, end, cause) => {
    const vendor = await startSocketVendor(async (client, index) => {
      await client.welcome()
      await client.next('subscribe')
      client.send(bar(index))
      if (index === 0) client.ws.once('pong', () => end(client)).ping()
    })
    const { feed, told } = openFeed({ url: vendor.url, params: ['AM.SPY'], maxFrameBytes: 200_000 })
    const frames = await take(feed, 2)
    expect(minutesOf(frames)).toEqual([0, 1])
    expect(frames.map(({ connection }) => connection)).toEqual([1, 2])
    expect(told).toContain(`disconnected ${cause}`)
    expect(vendor.clients[1]!.received.at(-1)).toEqual({ action: 'subscribe', params: 'AM.SPY' })
    expect(feed.stats().connections).toBe(2)
  })

  test('says how it ended, when its last event came, and how long the next attempt waits', async () => {
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      client.send(bar(0))
      client.ws.close(1001, 'maintenance')
    })
    const { feed, raw } = openFeed({ url: vendor.url })
    const [frame] = await take(feed, 1)
    await eventually(raw).toContain('"waitMs"')
    expect(JSON.parse(raw())).toContainEqual({
      ...{ cause: 'clean_close', code: 1001, reason: 'maintenance', connection: 1, authenticated: true },
      ...{ lastFrameMs: frame!.receivedMs, atMs: expect.any(Number) as number },
    })
  })

  test('is found out by a ping without an answer, though no event is due', async () => {
    const vendor = await startSocketVendor((client) => client.welcome(), { autoPong: false })
    const { told } = openFeed({ url: vendor.url, timeouts: { pingMs: 10, pongDeadlineMs: 20 } })
    await eventually(() => told).toContain('disconnected silence')
    await eventually(() => vendor.clients.length).toBeGreaterThan(1)
  })

  test('is not found out by a quiet market: answered pings keep it', async () => {
    const vendor = await startSocketVendor((client) => client.welcome())
    const { told } = openFeed({ url: vendor.url, timeouts: { pingMs: 5, pongDeadlineMs: 2000 } })
    let pings = 0
    await eventually(() => vendor.clients[0]?.received.length).toBe(1)
    vendor.clients[0]!.ws.on('ping', () => pings++)
    await eventually(() => pings).toBeGreaterThan(3)
    expect(told).toEqual(['connected 1', 'authenticated'])
  })

  test('or never stood is tried again, through refusals and server errors', async () => {
    let calls = 0
    const refuse = () => [503, 429, undefined][calls++]
    const vendor = await startSocketVendor((client) => client.welcome(), { refuse })
    const { told } = openFeed({ url: vendor.url })
    await eventually(() => told.at(-1)).toBe('authenticated')
    expect(told.filter((line) => line === 'disconnected unreachable')).toHaveLength(2)
    const nobody = openFeed({ url: 'ws://127.0.0.1:1' })
    await eventually(
      () => nobody.told.filter((line) => line === 'disconnected unreachable').length,
    ).toBeGreaterThan(2)
  })
})

describe('what is asked of the feed', () => {
  test('must be parameters, and no more than one connection may have', () => {
    const open = (params: string[], cluster: 'stocks' | 'options' = 'stocks') =>
      openFeed({ url: 'ws://127.0.0.1:1', params, cluster })
    for (const bad of ['SPY', 'AM.', 'am.SPY', 'AM.SPY,AM.QQQ', 'AM SPY'])
      expect(() => open([bad])).toThrow(UsageError)
    const quotes = (count: number) =>
      Array.from({ length: count }, (_, i) => `Q.O:SPY250103C${String(i).padStart(8, '0')}`)
    expect(() => open(['Q.*'], 'options')).toThrow('Q.*')
    expect(() => open(quotes(1001), 'options')).toThrow('1001 option contracts')
    const { feed } = open(quotes(1000), 'options')
    expect(() => feed.subscribe(['Q.O:SPY250103P00580000'])).toThrow(UsageError)
    expect(feed.wanted).toHaveLength(1000)
    expect(() => feed.subscribe(['AM.O:SPY250103P00580000'])).not.toThrow()
  })

  test('must have an address of a socket, without a key in it', () => {
    for (const url of [
      'https://socket.polygon.io',
      'socket',
      'wss://a:b@c.d',
      'wss://socket.polygon.io?apiKey=x',
    ])
      expect(() => openFeed({ url })).toThrow(ConfigError)
  })

  test('ends at close: the vendor hears a goodbye, and accepted frames can still be read', async () => {
    let code = 0
    const vendor = await startSocketVendor(async (client) => {
      client.ws.on('close', (given) => (code = given))
      await client.welcome()
      for (let minute = 0; minute < 5; minute++) client.send(bar(minute))
    })
    const { feed, told } = openFeed({ url: vendor.url })
    await eventually(() => feed.stats().frames).toBe(5)
    await feed.close()
    expect(minutesOf(await take(feed, 99))).toEqual([0, 1, 2, 3, 4])
    await eventually(() => code).toBe(1000)
    expect(told.some((line) => /disconnected|reconnecting/.test(line))).toBe(false)
  })

  test('ends at close in the middle of a wait or a handshake too', async () => {
    const waiting = openFeed({ url: 'ws://127.0.0.1:1', backOff: { baseMs: 3_600_000, maxMs: 3_600_000 } })
    await eventually(() => waiting.told.length).toBe(2)
    await waiting.feed.close()
    const vendor = await startSocketVendor(() => never)
    const greeting = openFeed({ url: vendor.url })
    await greeting.feed.close()
    expect(await take(greeting.feed, 9)).toEqual([])
  })

  test('ends at once when the signal aborts, with frames unread', async () => {
    const vendor = await startSocketVendor(async (client) => {
      await client.welcome()
      client.send(bar(0))
    })
    const abort = new AbortController()
    const { feed } = openFeed({ url: vendor.url }, abort.signal)
    await eventually(() => feed.stats().frames).toBe(1)
    abort.abort()
    await expect(take(feed, 1)).rejects.toThrow(InterruptedError)
    await expect(take(openFeed({ url: vendor.url }, abort.signal).feed, 1)).rejects.toThrow(InterruptedError)
    await eventually(() => vendor.clients[0]!.ws.readyState).toBe(3)
  })
})
