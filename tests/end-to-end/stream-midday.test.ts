import { afterEach, expect, test } from 'vitest'
import { DATE, Market, type MarketOptions } from './stream-world.ts'

/** What is in the lake before the session ends: nothing here is owed to the comparison at its end. */

const open: Market[] = []
afterEach(async () => {
  for (const market of open.splice(0)) await market.close()
})

async function market(options: MarketOptions): Promise<Market> {
  const opened = await Market.open({ startOnSubscribe: true, lateBars: 0, ...options })
  open.push(opened)
  return opened
}

interface Bar {
  readonly t: number
  readonly c: number
  readonly v: number
}

/** Bars as REST has them, ms and close and volume. */
async function restBars({ simulator }: Market): Promise<string[]> {
  const path = `/v2/aggs/ticker/SPY/range/1/minute/${DATE}/${DATE}?adjusted=false&limit=50000`
  const answer = await fetch(simulator.url + path, { headers: { authorization: 'Bearer a-key-for-tests' } })
  const { results = [] } = (await answer.json()) as { results?: Bar[] }
  return results.map(({ t, c, v }) => `${new Date(t).toISOString()} ${c} ${v}`)
}

async function lakeBars({ place }: Market): Promise<string[]> {
  const rows = (await place.rows()).map((line) => JSON.parse(line) as Record<string, unknown>)
  return rows
    .map(({ timestamp, close, volume }) => `${String(timestamp)} ${Number(close)} ${Number(volume)}`)
    .sort()
}

/** All that REST has up to the newest bar in the lake. */
async function expectNothingMissing(market: Market): Promise<void> {
  const held = await lakeBars(market)
  expect(held.length).toBeGreaterThan(5)
  const upTo = held.at(-1)!.slice(0, 24)
  expect(held).toEqual((await restBars(market)).filter((line) => line.slice(0, 24) <= upTo))
}

const REPLAY = 'stream --ticker SPY --ignore-hours'

test('a hole in the middle of the session is closed while it goes on', async () => {
  const spy = await market({
    start: '2025-06-10T13:25:00Z',
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
  expect((await lakeBars(spy)).length).toBeGreaterThanOrEqual(promised)
})
