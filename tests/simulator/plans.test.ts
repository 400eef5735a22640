import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/core/errors.ts'
import { startSimulator } from '../../src/simulator/index.ts'
import { createRateLimit } from '../../src/simulator/rate-limit.ts'
import { bars, get, getAll, minutes, NOW_MS, simulate } from './support.ts'

/** A plan without its call limit, so that a test may ask as often as it likes. */
const on = (plan: 'free' | 'starter' | 'developer' | 'advanced') => simulate({ plan, callsPerMinute: 0 })

describe('plans', () => {
  test('free: five calls, then 429 in the words of the vendor', async () => {
    const free = await simulate({ plan: 'free' })
    const answers = []
    for (let i = 0; i < 7; i++) answers.push(await get(free, minutes('SPY', '2026-03-02')))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429])
    expect(answers[6]!.body).toMatchObject({
      status: 'ERROR',
      error:
        "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. https://polygon.io/pricing",
    })
    expect(answers[6]!.headers.get('retry-after')).toBeNull()
    expect(free.stats()).toMatchObject({
      calls: 7,
      refusedByRateLimit: 2,
      worstMinuteCalls: 7,
      answersByStatus: { 200: 5, 429: 2 },
    })
  })

  test('free: two years of history; overlap is cut silently, the rest refused', async () => {
    const free = await on('free')
    const rows = await getAll(free, bars('SPY', '1/day', '2023-01-01', '2024-04-30'))
    expect(new Date(rows[0]!.t).toISOString().slice(0, 10)).toBe('2024-03-11')
    const refused = await get(free, bars('SPY', '1/day', '2023-01-01', '2023-12-31'))
    expect(refused.status).toBe(403)
    expect(refused.body).toMatchObject({
      status: 'NOT_AUTHORIZED',
      message:
        "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing",
    })
    expect((await get(free, '/v2/aggs/grouped/locale/us/market/stocks/2023-06-01')).status).toBe(403)
  })

  test('free: nothing of today, and DELAYED where the range reaches into it', async () => {
    const free = await on('free')
    const { body } = await get(free, bars('SPY', '1/day', '2026-03-06', '2026-03-10'))
    expect([body.status, body.results!.length]).toEqual(['DELAYED', 2])
    expect((await get(free, bars('SPY', '1/day', '2026-03-06', '2026-03-09'))).body.status).toBe('OK')
    for (const path of [
      minutes('SPY', '2026-03-10'),
      '/v1/open-close/SPY/2026-03-10',
      '/v2/aggs/grouped/locale/us/market/stocks/2026-03-10',
    ]) {
      const refused = await get(free, path)
      expect(refused.status).toBe(403)
      expect(refused.body['message']).toContain("Attempted to request today's data before end of day.")
    }
  })

  test.each([
    ['free', { second: 403, trades: 403, quotes: 403 }],
    ['starter', { second: 200, trades: 403, quotes: 403 }],
    ['developer', { second: 200, trades: 200, quotes: 403 }],
    ['advanced', { second: 200, trades: 200, quotes: 200 }],
  ] as const)('%s: gives what it includes and refuses the rest', async (plan, expected) => {
    const simulator = await on(plan)
    const status = async (path: string) => (await get(simulator, path)).status
    expect({
      second: await status(bars('SPY', '1/second', '2026-03-02')),
      trades: await status('/v3/trades/SPY?timestamp=2026-03-02&limit=1'),
      quotes: await status('/v3/quotes/SPY?timestamp=2026-03-02&limit=1'),
    }).toEqual(expected)
    expect(await status('/v3/reference/splits')).toBe(200)
  })

  test('403 for an endpoint names the reason', async () => {
    expect((await get(await on('free'), '/v3/trades/SPY')).body).toMatchObject({
      status: 'NOT_AUTHORIZED',
      message: 'You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing',
    })
  })

  test('starter and developer are a quarter of an hour late, advanced is not', async () => {
    const newest = async (plan: 'starter' | 'advanced') =>
      (await getAll(await on(plan), minutes('SPY', '2026-03-10'))).at(-1)!.t
    expect(await newest('starter')).toBeLessThanOrEqual(NOW_MS - 16 * 60_000)
    expect(await newest('advanced')).toBeGreaterThan(NOW_MS - 10 * 60_000)
  })

  test('developer: ten years of trades', async () => {
    const simulator = await on('developer')
    expect((await get(simulator, '/v3/trades/SPY?timestamp=2015-06-01')).status).toBe(403)
    expect((await get(simulator, '/v3/trades/SPY?timestamp=2017-06-01&limit=1')).status).toBe(200)
  })

  test('a port that is taken, or none at all, is refused at the start', async () => {
    const { port } = await simulate()
    await expect(startSimulator({ port })).rejects.toThrow(UsageError)
    await expect(startSimulator({ port: 70_000 })).rejects.toThrow(
      'the simulator cannot listen on 127.0.0.1:70000',
    )
  })

  test('an unknown plan is refused at the start', async () => {
    await expect(startSimulator({ plan: 'gold' as 'free' })).rejects.toThrow(UsageError)
  })
})

describe('the call limit', () => {
  test('admits so many calls in any 60 seconds, for each key', () => {
    const admits = createRateLimit(2, 60_000)
    const at = (ms: number, key = 'a') => admits(key, ms)
    expect([at(0), at(30_000), at(59_999), at(60_000), at(60_001), at(90_000)]).toEqual([
      true,
      true,
      false,
      true,
      false,
      true,
    ])
    expect(at(90_001, 'b')).toBe(true)
  })
})
