import { describe, expect, test } from 'vitest'
import { DATE, openMarket } from './stream-world.ts'

/** The vendor misbehaves; the day is whole all the same. */

const REPLAY = 'stream --ticker SPY --ignore-hours'
const SHORT_KICK = { TAPELAKE__STREAM__RECONNECT__MAX_CONNECTIONS_MS: '80' }

/** Records the day through `faults` and expects it to equal what REST has. */
async function expectWhole(faults: readonly string[], start = `${DATE}T08:00:00Z`) {
  const spy = await openMarket({ faults, start, env: SHORT_KICK })
  const run = await spy.here(REPLAY)
  expect(run.document.cells).toMatchObject([{ state: 'complete' }])
  expect(run.document.holes.filter(({ closed }) => closed === null)).toEqual([])
  expect(run.code).toBe(0)
  expect(await spy.place.rows()).toEqual(await spy.truth())
  return { ...run, fired: spy.simulator.stats().faultsFired }
}

describe('a key that another process uses', () => {
  test('is told, waited for, and what was missed meanwhile is fetched', async () => {
    const { stderr, document } = await expectWhole(['kick:at=10:30,for=240'])
    expect(stderr).toMatch(/connecting again in 0\.1 s: another process holds the live socket of this key/)
    expect(document.holes.map(({ cause }) => cause)).toContain('max_connections')
    expect(document.reconnects).toBe(1)
  })

  test('is left alone for a minute, unless told otherwise', async () => {
    const spy = await openMarket({ faults: ['kick:at=10:30'] })
    const { code, stderr } = await spy.here(REPLAY, {
      env: { TAPELAKE__STREAM__DRAIN_SECONDS: '0' },
      signals: [{ after: /connecting again/, send: 'SIGTERM' }],
    })
    expect(stderr).toMatch(/connecting again in 1 min: another process holds the live socket of this key/)
    expect(code).toBe(143)
  })
})

describe('the day is whole', () => {
  test('after a stall that ends in a burst: nothing was missed, and no hole is made up', async () => {
    const { document, fired } = await expectWhole(['stall:at=10:30,for=900'])
    expect(fired).toMatchObject({ stall: 1 })
    expect(document.holes).toEqual([])
  })

  test('although the vendor answers 429 to the requests that close its holes', async () => {
    const { document, fired } = await expectWhole(
      ['429:path=/v2/aggs,first=3', 'cut:at=13:00,for=300'],
      `${DATE}T14:00:30Z`,
    )
    expect(fired).toMatchObject({ '429': 3 })
    expect(document.holes.map(({ cause }) => cause)).toEqual(['start', 'cut'])
  })

  test('after cuts, closes, silences and kicks of 1 to 600 seconds, repeats, disorder and broken frames', async () => {
    const { document, fired } = await expectWhole([
      ...['cut:times=4,for=1-600', 'close:times=3,for=1-600', 'silence:times=3,for=1-600'],
      ...['kick:times=3,for=1-600', 'stall:times=2,for=1-600', 'refuse-connect:every=5'],
      ...['duplicate-frames:rate=0.05', 'reorder-frames:rate=0.05', 'corrupt-frames:rate=0.005'],
    ])
    // One that strikes while nobody is connected strikes nobody.
    expect(Object.keys(fired)).toEqual(expect.arrayContaining(['cut', 'close', 'silence', 'kick', 'stall']))
    expect(document.reconnects).toBeGreaterThanOrEqual(6)
  })
})
