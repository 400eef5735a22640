import { expect, test } from 'vitest'
import { lakeBars, openMarket, restBars, type Market, type MarketOptions } from './stream-world.ts'

/** What is in the lake before the session ends: nothing here is owed to the comparison at its end. */

const market = (options: MarketOptions): Promise<Market> =>
  openMarket({ startOnSubscribe: true, lateBars: 0, ...options })

/** Start, close and volume of a bar: what the socket and REST both tell, trades not among it. */
const facts = (bar: string): string => {
  const [, start, , , , close, volume] = bar.split(' ')
  return [start, close, volume].join(' ')
}

/** All that REST has up to the newest bar in the lake. */
async function expectNothingMissing(market: Market): Promise<void> {
  const held = (await lakeBars(market.place)).map(facts)
  expect(held.length).toBeGreaterThan(5)
  const upTo = held.at(-1)!.slice(0, 24)
  const known = (await restBars(market, ['SPY'])).map(facts)
  expect(held).toEqual(known.filter((line) => line.slice(0, 24) <= upTo))
}

const REPLAY = 'stream --ticker SPY --ignore-hours'

test('a hole in the middle of the session is closed while it goes on', async () => {
  const spy = await market({
    start: '2025-06-10T13:10:00Z',
    speed: 300,
    faults: ['cut:at=09:40,for=240'],
    env: { TAPELAKE__STREAM__DRAIN_SECONDS: '5' },
  })
  const { code, document } = await spy.here(REPLAY, {
    signals: [{ after: /hole closed: AM [^\n]*\(cut\)/, send: 'SIGTERM' }],
  })
  expect(code).toBe(143)
  expect(document.holes.map(({ cause }) => cause)).toEqual(expect.arrayContaining(['start', 'cut']))
  expect(document.cells).toMatchObject([{ state: 'pending' }])
  await expectNothingMissing(spy)
})

test('what was only in the journal when the recorder died is in the lake after the next start', async () => {
  const noRest = { TAPELAKE__STREAM__FLUSH_SECONDS: '3600', TAPELAKE__STREAM__REPAIR_DELAY_MS: '3600000' }
  const spy = await market({
    start: '2025-06-10T08:00:00Z',
    speed: 1200,
    env: noRest,
    faults: ['entitlement:path=/v2/aggs'],
  })
  const dead = await spy.place.run(REPLAY, {
    env: { TAPELAKE__STREAM__HEARTBEAT_MINUTES: '0.02' },
    signals: [{ after: /heartbeat: \d\d+ rows/, send: 'SIGKILL' }],
  })
  expect(dead.code).toBeNull()
  expect(spy.place.paths().filter((path) => path.endsWith('.parquet'))).toEqual([])
  const { document, stderr } = await spy.here(REPLAY, {
    env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' },
    signals: [{ after: /recovered \d+ rows/, send: 'SIGTERM' }],
  })
  const promised = Number(/heartbeat: (\d+) rows/.exec(dead.stderr)![1])
  expect(Number(/recovered (\d+) rows/.exec(stderr)![1])).toBeGreaterThanOrEqual(promised)
  expect(document.recovered).toBeGreaterThanOrEqual(promised)
  expect(spy.place.paths().filter((path) => path.endsWith('.journal'))).toEqual([])
  expect((await lakeBars(spy.place)).length).toBeGreaterThanOrEqual(promised)
})
