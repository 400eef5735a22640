import { existsSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Simulator } from '../../../src/simulator/index.ts'
import { bars, getAll, minutes, type Row } from '../support.ts'
import {
  at,
  type Client,
  clockTimes,
  DAY,
  expectAscending,
  follow,
  latest,
  record,
  settled,
  simulateDay,
  simulateMarket,
  type SocketEvent,
} from './support.ts'

const pick = ({ v, o, h, l, c, vw }: SocketEvent | Row): object => ({ v, o, h, l, c, vw })
const same = (bar: SocketEvent): object => ({ t: bar.s, ...pick(bar) })
const ofRest = (row: Row): object => ({ t: row.t, ...pick(row) })

describe('a whole session of SPY at full speed', () => {
  let client: Client
  let rest: Row[]
  beforeAll(async () => {
    const simulator = await simulateDay({ lateBars: 0.02 })
    client = await record(simulator, 'AM.SPY')
    rest = await getAll(simulator, minutes('SPY', DAY))
  })

  test('gives the minute bars of REST, each of them', () => {
    expect(rest).toHaveLength(960)
    expect(latest(client.events).map(same)).toEqual(rest.map(ofRest))
  })

  test('sends late bars again, and only they had other values before', () => {
    const first = new Map<number, SocketEvent>()
    const again: SocketEvent[] = []
    for (const bar of client.events) {
      if (first.has(bar.s)) again.push(bar)
      else first.set(bar.s, bar)
    }
    expect(again.length).toBeGreaterThan(5)
    for (const bar of again) expect(first.get(bar.s)!.v).toBeLessThan(bar.v)
    const changed = new Set(again.map(({ s }) => s))
    const unchanged = [...first.values()].filter(({ s }) => !changed.has(s))
    expect(unchanged.map(same)).toEqual(rest.filter(({ t }) => !changed.has(t)).map(ofRest))
  })

  test('accumulates the volume of the day, and knows the official open from 09:30 on', () => {
    const all = latest(client.events)
    let volume = 0
    for (const bar of all) {
      volume += bar.v
      expect(bar['av']).toBeCloseTo(volume, 5)
      expect(bar.e - bar.s).toBe(60_000)
    }
    const open = rest.find(({ t }) => t === at(DAY, '09:30'))!.o
    expect(new Set(all.filter(({ s }) => s < at(DAY, '09:30')).map(({ op }) => op))).toEqual(new Set([0]))
    expect(new Set(all.filter(({ s }) => s >= at(DAY, '09:30')).map(({ op }) => op))).toEqual(new Set([open]))
    const turnover = rest.reduce((sum, { v, vw, c }) => sum + v * (vw ?? c), 0)
    expect(all.at(-1)!['a']).toBeCloseTo(turnover / volume, 3)
  })

  test('is the same for every client of a seed, and another for another seed', async () => {
    const twin = await record(await simulateDay({ lateBars: 0.02 }), 'AM.SPY')
    expect(twin.events).toEqual(client.events)
    const other = await record(await simulateDay({ lateBars: 0.02, seed: 2 }), 'AM.SPY')
    expect(other.events).not.toEqual(client.events)
  })
})

describe('ticks and second bars', () => {
  let client: Client
  let rest: { seconds: Row[]; trades: Row[]; quotes: Row[] }
  const untilMs = at(DAY, '09:33')
  beforeAll(async () => {
    const simulator = await simulateDay({ startMs: at(DAY, '09:29'), untilMs })
    client = await record(simulator, 'AM.SPY,A.SPY,T.SPY,Q.SPY,A.QQQ,T.AAPL', { untilMs })
    const range = `${at(DAY, '09:29')}/${untilMs - 1}`
    const ns = (ms: number): string => `${ms}000000`
    const ticks = `SPY?timestamp.gt=${ns(at(DAY, '09:29'))}&timestamp.lt=${ns(untilMs)}&order=asc&limit=50000`
    // What is over is public five seconds later; the clock of this one stands beyond.
    const past = await simulateMarket({ startMs: at(DAY, '12:00'), startOnSubscribe: true })
    rest = {
      seconds: await getAll(past, `/v2/aggs/ticker/SPY/range/1/second/${range}?limit=50000`),
      trades: await getAll(past, `/v3/trades/${ticks}`),
      quotes: await getAll(past, `/v3/quotes/${ticks}`),
    }
  })
  const of = (ev: string, sym = 'SPY'): SocketEvent[] =>
    client.events.filter((event) => event.ev === ev && event.sym === sym)

  /** Whole milliseconds of the nanoseconds, which a number holds to within a microsecond. */
  const expectTimes = (sent: readonly SocketEvent[], rows: readonly Row[]): void => {
    for (const [i, { t }] of sent.entries()) {
      const beyondMs = Number(rows[i]!['sip_timestamp']) / 1e6 - t
      expect(beyondMs).toBeGreaterThan(-0.001)
      expect(beyondMs).toBeLessThan(1.001)
    }
  }

  test('second bars are those of REST, and add up to the minutes', () => {
    expect(of('A').map(same)).toEqual(rest.seconds.map(ofRest))
    const open = of('A').filter(({ s }) => s >= at(DAY, '09:30') && s < at(DAY, '09:31'))
    const minute = of('AM').find(({ s }) => s === at(DAY, '09:30'))!
    expect(open.reduce((sum, { v }) => sum + v, 0)).toBe(minute.v)
    expect(open.at(-1)!['av']).toBe(minute['av'])
    expect(open.every(({ s, e }) => e - s === 1000)).toBe(true)
  })

  test('trades are those of REST, in milliseconds', () => {
    const sent = of('T').map(({ p, s, q, i, x }) => ({ p, s, q, i, x }))
    expectTimes(of('T'), rest.trades)
    const expected = rest.trades.map((row) => ({
      p: row['price'],
      s: row['size'],
      q: row['sequence_number'],
      i: row['id'],
      x: row['exchange'],
    }))
    expect(sent.length).toBeGreaterThan(1000)
    expect(sent).toEqual(expected)
  })

  test('quotes are those of REST, in milliseconds', () => {
    const sent = of('Q').map(({ bp, ap, q, ...more }) => ({ bp, ap, q, bs: more['bs'], as: more['as'] }))
    expectTimes(of('Q'), rest.quotes)
    const expected = rest.quotes.map((row) => ({
      bp: row['bid_price'],
      ap: row['ask_price'],
      q: row['sequence_number'],
      bs: row['bid_size'],
      as: row['ask_size'],
    }))
    expect(sent.length).toBeGreaterThan(1000)
    expect(sent).toEqual(expected)
  })

  test('frames mix kinds and symbols and stay below a megabyte', () => {
    const kinds = client.frames.map((frame) => new Set(frame.match(/"ev":"\w+","sym":"\w+"/g)).size)
    expect(Math.max(...kinds)).toBeGreaterThanOrEqual(4)
    expect(Math.max(...client.frames.map(({ length }) => length))).toBeLessThan(1_000_000)
  })
})

/** The SPY contracts of the next expiration whose strikes are nearest to the market. */
async function nearTheMoney(simulator: Simulator, most: number): Promise<string[]> {
  const [bar] = await getAll(simulator, bars('SPY', '1/day', '2025-06-02'))
  const query = `underlying_ticker=SPY&expiration_date.gte=${DAY}&expiration_date.lte=2025-06-07&limit=1000`
  const rows = await getAll(simulator, `/v3/reference/options/contracts?${query}`)
  const distance = (row: Row): number => Math.abs(Number(row['strike_price']) - bar!.c)
  return rows
    .toSorted((a, b) => distance(a) - distance(b))
    .slice(0, most)
    .map((row) => String(row['ticker']))
}

describe('other markets', () => {
  test('an index has values and bars without volume, in regular hours', async () => {
    const simulator = await simulateDay({ startMs: at(DAY, '09:29'), untilMs: at(DAY, '10:00') })
    const client = await record(simulator, 'AM.*,A.I:SPX,V.I:SPX', {
      path: '/indices',
      untilMs: at(DAY, '10:00'),
    })
    const minutesOf = client.events.filter(({ ev, sym }) => ev === 'AM' && sym === 'I:SPX')
    const values = client.events.filter(({ ev }) => ev === 'V')
    expect(clockTimes(minutesOf)[0]).toBe('09:30')
    for (const bar of minutesOf) {
      const within = values.filter(({ t }) => t >= bar.s && t < bar.e).map(({ val }) => Number(val))
      expect([within[0], within.at(-1)]).toEqual([bar['o'], bar['c']])
      expect([Math.max(...within), Math.min(...within)]).toEqual([bar['h'], bar['l']])
    }
    expect(client.events.filter(({ ev }) => ev === 'A')).toHaveLength(values.length - 1)
    expect(new Set(client.events.filter(({ ev }) => ev === 'AM').map(({ sym }) => sym)).size).toBe(5)
  })

  test('the bars of options are those of REST', async () => {
    const simulator = await simulateDay()
    const contracts = await nearTheMoney(simulator, 40)
    const params = contracts.map((ticker) => `AM.${ticker}`).join(',')
    const client = await record(simulator, params, { path: '/options' })
    let count = 0
    for (const ticker of contracts) {
      const rest = await getAll(simulator, minutes(ticker, DAY))
      count += rest.length
      const sent = client.events.filter(({ sym }) => sym === ticker)
      expect(sent.map(same)).toEqual(rest.map(ofRest))
    }
    expect(count).toBeGreaterThan(40)
    expect(client.events).toHaveLength(count)
  })

  test('a symbol that does not exist is acknowledged and quiet', async () => {
    const client = await record(await simulateDay(), 'AM.NOSUCH,AM.I:SPX,A.O:SPY250603C00001000')
    expect(client.statuses.filter(({ status }) => status === 'success')).toHaveLength(3)
    expect(client.events).toEqual([])
  })

  test('the delayed host is fifteen minutes behind', async () => {
    const simulator = await simulateDay({ plan: 'starter', startMs: at(DAY, '10:00') })
    const client = await follow(simulator, 'AM.SPY', '/delayed/stocks')
    await simulator.marketReached(at(DAY, '20:20'))
    await settled(client)
    expect(clockTimes(client.events).at(0)).toBe('09:44')
    expect(clockTimes(client.events).at(-1)).toBe('19:59')
  })
})

describe('the calendar', () => {
  const recordDates = async (from: string, until: string, offset: string) => {
    const untilMs = at(until, '23:00', offset)
    const simulator = await simulateMarket({ startMs: at(from, '00:00', offset), speed: 'max', untilMs })
    return record(simulator, 'AM.SPY', { untilMs })
  }

  test('an early close ends at 17:00', async () => {
    const client = await recordDates('2025-07-03', '2025-07-03', '-04:00')
    expect(clockTimes(client.events).at(0)).toBe('04:00')
    expect(clockTimes(client.events).at(-1)).toBe('16:59')
  })

  test('a holiday and a weekend are quiet, and the socket stays open', async () => {
    const client = await recordDates('2025-07-04', '2025-07-06', '-04:00')
    expect(client.events).toEqual([])
    expect(client.socket.readyState).toBe(client.socket.OPEN)
  })

  test('days follow each other, over the change of the clocks too', async () => {
    const client = await recordDates('2025-03-07', '2025-03-10', '-05:00')
    const bars = latest(client.events)
    expect(bars.filter(({ s }) => s < at('2025-03-08', '00:00', '-05:00'))[0]!.s).toBe(
      at('2025-03-07', '04:00', '-05:00'),
    )
    expect(bars.filter(({ s }) => s > at('2025-03-08', '00:00', '-05:00'))[0]!.s).toBe(
      at('2025-03-10', '04:00', '-04:00'),
    )
    expect(bars.at(-1)!.s).toBe(at('2025-03-10', '19:59', '-04:00'))
    expectAscending(bars)
  })

  test('volumes have fractions, and decimal strings, from 2026-02-23 on', async () => {
    const untilMs = at('2026-02-23', '10:00', '-05:00')
    const simulator = await simulateMarket({
      ...{ startMs: at('2026-02-23', '09:00', '-05:00'), speed: 'max', untilMs },
      lateBars: 0,
    })
    const client = await record(simulator, 'AM.SPY', { untilMs })
    expect(client.events.some(({ v }) => !Number.isInteger(v))).toBe(true)
    for (const { v, dv, av, dav } of client.events) expect([dv, dav]).toEqual([String(v), String(av)])
  })
})

const recorded = new URL('../../../../shared/recorded/websocket-examples/', import.meta.url)
describe.skipIf(!existsSync(recorded))('recorded examples', () => {
  /** Fields that came to the vendor's format after the examples were recorded, or are there now and then. */
  const SOMETIMES = new Set(['ds', 'pt', 'dv', 'dav', 'c', 'i', 'trfi', 'trft', 'vw'])
  const fields = (event: object): string[] => Object.keys(event).filter((name) => !SOMETIMES.has(name))

  test.each([
    ['stocks', 'AM.SPY', 'stocks__AM.json'],
    ['stocks', 'A.SPY', 'stocks__A.json'],
    ['stocks', 'T.SPY', 'stocks__T.json'],
    ['stocks', 'Q.SPY', 'stocks__Q.json'],
    ['options', 'AM', 'options__AM.json'],
    ['options', 'A', 'options__A.json'],
    ['options', 'T', 'options__T.json'],
    ['options', 'Q', 'options__Q.json'],
    ['indices', 'AM.I:SPX', 'indices__AM.json'],
    ['indices', 'A.I:SPX', 'indices__A.json'],
    ['indices', 'V.I:SPX', 'indices__V.json'],
  ])('%s %s has the fields of %s', async (cluster, wanted, file) => {
    const untilMs = at(DAY, '09:32')
    const simulator = await simulateDay({ startMs: at(DAY, '09:30'), untilMs })
    const contracts = cluster === 'options' ? await nearTheMoney(simulator, 10) : []
    const params = contracts.map((ticker) => `${wanted}.${ticker}`).join(',') || wanted
    const client = await record(simulator, params, { path: `/${cluster}`, untilMs })
    const example = JSON.parse(readFileSync(new URL(file, recorded), 'utf8')) as SocketEvent | SocketEvent[]
    const [expected] = [example].flat()
    expect(client.events.length).toBeGreaterThan(0)
    for (const event of client.events.slice(0, 500)) {
      expect(fields(event).sort()).toEqual(fields(expected!).sort())
      for (const name of fields(expected!)) expect(typeof event[name]).toBe(typeof expected![name])
    }
  })
})
