import { describe, expect, test, vi } from 'vitest'
import { parseFault } from '../../../src/simulator/index.ts'
import {
  at,
  type Client,
  clockTimes,
  connect,
  DAY,
  follow,
  record,
  settled,
  simulateDay,
  simulateMarket,
} from './support.ts'

const faulty = (...faults: string[]) => simulateDay({ lateBars: 0, faults: faults.map(parseFault) })

/** All minutes that a client should have had and has not. */
function missing(...clients: Client[]): string[] {
  const had = new Set(clients.flatMap(({ events }) => clockTimes(events)))
  const all = Array.from({ length: 960 }, (_, i) => 240 + i)
  const text = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  return all.map(text).filter((minute) => !had.has(minute))
}

/** Follows SPY, comes back once it is thrown off, and stays until the end. */
async function comeBack(simulator: Awaited<ReturnType<typeof faulty>>) {
  const first = await follow(simulator, 'AM.SPY')
  const code = await first.closed
  const second = await follow(simulator, 'AM.SPY')
  await simulator.marketReached(at(DAY, '20:10'))
  await settled(second)
  return { first, second, code }
}

describe('a fault of the connection', () => {
  test('cut resets it and loses the minutes that were due meanwhile', async () => {
    const simulator = await faulty('cut:at=10:30,for=180')
    const { first, second, code } = await comeBack(simulator)
    expect(code).toBe(1006)
    expect(clockTimes(first.events).at(-1)).toBe('10:28')
    expect(missing(first, second)).toEqual(['10:29', '10:30', '10:31'])
    expect(simulator.stats().faultsFired).toEqual({ cut: 1 })
  })

  test('close says goodbye with 1000', async () => {
    const { first, second, code } = await comeBack(await faulty('close:at=09:30:30,for=1'))
    expect(code).toBe(1000)
    expect(missing(first, second)).toEqual([])
  })

  test('kick says max_connections and closes with 1008', async () => {
    const { first, second, code } = await comeBack(await faulty('kick:at=15:00,for=60'))
    expect(code).toBe(1008)
    expect(first.statuses.at(-1)).toMatchObject({ status: 'max_connections' })
    expect(missing(first, second)).toEqual(['14:59'])
  })

  test('silence leaves it open, and what happens meanwhile is lost', async () => {
    const client = await record(await faulty('silence:at=11:00,for=300'), 'AM.SPY')
    expect(client.socket.readyState).toBe(client.socket.OPEN)
    expect(missing(client)).toEqual(['10:59', '11:00', '11:01', '11:02', '11:03'])
  })

  test('stall keeps everything back and then sends it at once', async () => {
    const faults = [parseFault('stall:at=11:00,for=600')]
    const untilMs = at(DAY, '11:09:59')
    const during = await record(await simulateDay({ faults, untilMs }), 'AM.SPY', { untilMs })
    expect(clockTimes(during.events).at(-1)).toBe('10:58')
    const client = await record(await simulateDay({ faults, lateBars: 0 }), 'AM.SPY')
    expect(missing(client)).toEqual([])
    expect(client.events.map(({ s }) => s)).toEqual(client.events.map(({ s }) => s).toSorted((a, b) => a - b))
  })

  test('a silence may leave pings unanswered, until it is over', async () => {
    const simulator = await simulateMarket({
      ...{ startMs: at(DAY, '10:00'), speed: 60, startOnSubscribe: true },
      faults: [parseFault('silence:at=10:00:01,for=60,pings=ignored')],
    })
    const client = await follow(simulator, 'A.SPY')
    await simulator.marketReached(at(DAY, '10:00:02'))
    let answered = false
    client.socket.on('pong', () => (answered = true))
    client.socket.ping()
    await simulator.marketReached(at(DAY, '10:00:50'))
    expect(answered).toBe(false)
    await simulator.marketReached(at(DAY, '10:01:05'))
    client.socket.ping()
    await vi.waitUntil(() => answered)
    expect(client.events.every(({ s }) => s < at(DAY, '10:00:02') || s >= at(DAY, '10:01:00'))).toBe(true)
  })

  test('strikes as often as told, at moments that the seed decides', async () => {
    const lost = async (seed: number) => {
      const faults = [parseFault('silence:times=4,for=60-600')]
      const simulator = await simulateDay({ lateBars: 0, seed, faults })
      const minutes = missing(await record(simulator, 'AM.SPY'))
      return { minutes, fired: simulator.stats().faultsFired }
    }
    const one = await lost(1)
    expect(one.minutes.length).toBeGreaterThanOrEqual(4)
    expect(one.minutes.length).toBeLessThanOrEqual(40)
    expect(one.fired).toEqual({ silence: 4 })
    expect(await lost(1)).toEqual(one)
    expect((await lost(2)).minutes).not.toEqual(one.minutes)
  })

  test('strikes every so often, and no more than so many times', async () => {
    const client = await record(await faulty('silence:every=3600,for=60,first=3'), 'AM.SPY')
    expect(missing(client)).toEqual(['04:59', '05:59', '06:59'])
  })

  test('keeps to its day and its cluster', async () => {
    const simulator = await faulty('silence:at=12:00,day=2025-06-04', 'silence:at=12:00,cluster=options')
    expect(missing(await record(simulator, 'AM.SPY'))).toEqual([])
  })
})

describe('a fault of frames', () => {
  test('duplicates them', async () => {
    const client = await record(await faulty('duplicate-frames:every=10'), 'AM.SPY')
    expect(client.events).toHaveLength(960 + 96)
    expect(missing(client)).toEqual([])
  })

  test('puts them out of order, and loses none', async () => {
    const client = await record(await faulty('reorder-frames:every=7'), 'AM.SPY')
    const steps = client.events.slice(1).map(({ s }, i) => s - client.events[i]!.s)
    expect(steps.filter((step) => step < 0).length).toBeGreaterThan(100)
    expect(client.events).toHaveLength(960)
    expect(missing(client)).toEqual([])
  })

  test('sends the last frame of a day although none follows it', async () => {
    const client = await record(await faulty('reorder-frames:at=20:00,for=60'), 'AM.SPY')
    expect(missing(client)).toEqual([])
  })

  test('corrupts them, so that they are no JSON', async () => {
    const client = await record(await faulty('corrupt-frames:at=10:00,for=120'), 'AM.SPY')
    const broken = client.frames.filter((frame) => !frame.endsWith(']'))
    expect(broken).toHaveLength(2)
    for (const frame of broken) expect(() => JSON.parse(frame) as unknown).toThrow(SyntaxError)
    expect(missing(client)).toEqual(['09:59', '10:00'])
  })

  test('adds events of a kind that nobody knows', async () => {
    const client = await record(await faulty('unknown-events:rate=0.5'), 'AM.SPY')
    const unknown = client.events.filter(({ ev }) => ev === 'ZZ')
    expect(unknown.length).toBeGreaterThan(380)
    expect(unknown.length).toBeLessThan(580)
    expect(client.events.filter(({ ev }) => ev === 'AM')).toHaveLength(960)
  })
})

describe('a fault of getting in', () => {
  test('refuses connections before the handshake', async () => {
    const simulator = await faulty('refuse-connect:first=2')
    expect(await connect(simulator).closed).toBe(1006)
    expect(await connect(simulator).closed).toBe(1006)
    await connect(simulator).status('connected')
    expect(simulator.stats().faultsFired).toEqual({ 'refuse-connect': 2 })
  })

  test('refuses them for a while of market time', async () => {
    const simulator = await simulateDay({
      startMs: at(DAY, '10:00'),
      faults: [parseFault('refuse-connect:at=10:00,for=60,cluster=stocks')],
    })
    expect(await connect(simulator).closed).toBe(1006)
    await connect(simulator, '/options').status('connected')
    simulator.startMarket()
    await simulator.marketReached(at(DAY, '10:01'))
    await connect(simulator).status('connected')
  })

  test('fails an authentication although the key is good', async () => {
    const simulator = await faulty('auth-failed:first=1')
    const client = connect(simulator)
    await client.status('connected')
    client.send('auth', 'k')
    expect((await client.status('auth_failed')).message).toBe('authentication failed')
    client.send('auth', 'k')
    await client.status('auth_success')
  })

  test('holds while a cut lasts', async () => {
    const simulator = await simulateMarket({
      ...{ startMs: at(DAY, '10:29:30'), speed: 300, startOnSubscribe: true },
      faults: [parseFault('cut:at=10:30,for=120')],
    })
    const client = await follow(simulator, 'AM.SPY')
    expect(await client.closed).toBe(1006)
    expect(await connect(simulator).closed).toBe(1006)
    await simulator.marketReached(at(DAY, '10:32:01'))
    await connect(simulator).status('connected')
  })
})

describe('a fault that makes no sense', () => {
  test.each([
    ['cut:at=25:00', 'at=25:00 is not a time HH:MM or HH:MM:SS'],
    ['cut:for=ten', 'for=ten is not seconds, N or N-M'],
    ['silence:for=60-1', 'for=60-1 is not seconds, N or N-M'],
    ['kick:path=/v2', "unknown option 'path'"],
    ['cut:cluster=bonds', 'cluster=bonds is not one of stocks, options, indices'],
    ['429:at=10:00', "unknown option 'at'"],
  ])('%s is refused', (text, message) => {
    expect(() => parseFault(text)).toThrow(message)
  })

  test('faults of the socket leave REST alone', async () => {
    const simulator = await faulty('cut:at=04:00', 'duplicate-frames', 'refuse-connect')
    const answer = await fetch(`${simulator.url}/v1/marketstatus/now?apiKey=k`)
    expect(answer.status).toBe(200)
    expect(simulator.stats().faultsFired).toEqual({})
  })
})
